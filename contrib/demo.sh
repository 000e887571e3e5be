#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The main job on real input: a CSV goes into a session, code that could be anybody's analyses it in a
# jail, and a picture comes back. Each step prints the command that it runs.
set -euo pipefail
cd "$(dirname "$0")/.."
build=$(realpath "${BUILD:-build}")
out=$(mktemp -d "${TMPDIR:-/tmp}/sbx-demo.XXXXXX")
if [ "$(id -u)" = 0 ]; then
	# no jail runs as root: a user number that nobody has runs the demo, on copies it can read
	chmod 755 "$out"
	mkdir -p "$out/bin" "$out/home"
	cp -R "$build"/sbx "$build"/sbx-jail "$build"/sbx-type profiles tests/fixtures/co2.csv contrib/demo "$out/bin/"
	mv "$out/bin/profiles" "$out/profiles"
	chown -R 61007:61007 "$out"
	exec setpriv --reuid 61007 --regid 61007 --clear-groups env -i HOME="$out/home" PATH="$out/bin:/usr/local/bin:/usr/bin:/bin" \
		TERM="${TERM:-dumb}" DEMO_OUT="$out" DEMO_DIR="$out/bin" bash "$out/bin/demo/steps.sh"
fi
export DEMO_OUT=$out DEMO_DIR=$PWD/contrib PATH=$build:$PATH
cp tests/fixtures/co2.csv "$out/"
exec bash contrib/demo/steps.sh
