#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# distcheck.sh TARBALL NAME: unpack, build, install to a DESTDIR under another name, run, uninstall.
set -euo pipefail
tar=$(realpath "$1") name=$2
t=$(mktemp -d)
trap 'rm -rf "$t"' EXIT
chmod 755 "$t"
tar -C "$t" -xzf "$tar"
make -s -C "$t/$name" -j2
make -s -C "$t/$name" install DESTDIR="$t/root" PREFIX=/usr PROGRAM=sandboxer
test -x "$t/root/usr/bin/sandboxer"
test -f "$t/root/usr/share/sandboxer/profiles/default.json"
[ "$(stat -c %a "$t/root/usr/libexec/sandboxer/sbx-jail")" = 755 ]
"$t/root/usr/bin/sandboxer" --version | grep -q '^sandboxer '
make -s -C "$t/$name" uninstall DESTDIR="$t/root" PREFIX=/usr PROGRAM=sandboxer
left=$(find "$t/root" -type f | head -5)
[ -z "$left" ] || { echo "distcheck: uninstall left $left" >&2; exit 1; }
echo "1 passed, 0 failed"
