#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# install-units.sh UNITDIR BINDIR PROGRAM: systemd units, sysusers.d and tmpfiles.d of contrib/systemd.
set -euo pipefail
units=$1 bin=$2 program=$3
here=$(cd "$(dirname "$0")/systemd" && pwd)
put() { install -d "$2" && sed -e "s|@BINDIR@|$bin|g" -e "s|@PROGRAM@|$program|g" "$1" > "$2/$3" && chmod 644 "$2/$3"; }
for f in "$here"/*.service "$here"/*.timer "$here"/*.slice; do
	[ -e "$f" ] || continue
	n=$(basename "$f")
	put "$f" "$units/system" "${n/#sbx/$program}"
done
for d in sysusers.d tmpfiles.d; do
	for f in "$here/$d"/*; do [ -e "$f" ] && put "$f" "$(dirname "$units")/$d" "$program.conf"; done
done
