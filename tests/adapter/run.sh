#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The adapter's suites: against a stand-in for sbx (every answer and error once), then against the sbx at
# SBX_REAL, then, with SBX_CLIENTS=1, LibreChat's published tools (about 1.5 GB of packages). Started by
# root it installs the packages and runs the suites as a user number that nobody has.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../../contrib/librechat"
real=${SBX_REAL:+$(realpath "$SBX_REAL")}
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
as=(env)
if [ "$(id -u)" = 0 ]; then
	t=$(mktemp -d "${TMPDIR:-/tmp}/sbx-adapter.XXXXXX")
	trap 'rm -rf "$t"' EXIT
	chmod 755 "$t"
	mkdir "$t/home" "$t/tmp"
	# a copy, since the tree may lie where only root may go
	tar --exclude=clients -cf - . | (mkdir "$t/adapter" && tar -C "$t/adapter" -xf -)
	if [ -n "$real" ]; then
		mkdir "$t/build" && cp "$(dirname "$real")"/sbx* "$t/build/" && cp -R ../../profiles "$t/profiles"
		real=$t/build/sbx
	fi
	chown -R 61009:61009 "$t"
	as=(setpriv --reuid 61009 --regid 61009 --clear-groups env -i PATH="$PATH" HOME="$t/home" TMPDIR="$t/tmp" LANG=C.UTF-8)
	cd "$t/adapter"
fi
passed=0 failed=0
suite() { # NAME VARIABLES... -- FILES...
	local name=$1 vars=() log rc=0
	shift
	while [ "$1" != -- ]; do vars+=("$1"); shift; done
	shift
	log=$(mktemp)
	"${as[@]}" "${vars[@]}" node --test --test-reporter=tap "$@" >"$log" 2>&1 </dev/null || rc=$?
	local p f
	p=$(sed -n 's/^# pass //p' "$log") f=$(sed -n 's/^# fail //p' "$log")
	passed=$((passed + ${p:-0})) failed=$((failed + ${f:-1}))
	echo "# $name: ${p:-0} passed, ${f:-?} failed"
	[ $rc = 0 ] || { grep -A25 -E '^ *not ok' "$log" | head -200; failed=$((failed + (${f:-0} == 0))); }
	rm -f "$log"
}
suite "adapter with a stand-in" NONE=1 -- test/*.test.js
if [ -n "$real" ]; then
	suite "adapter with sbx" SBX_REAL="$real" -- test/exec.test.js test/files.test.js test/programmatic.test.js test/auth.test.js test/doors.test.js
fi
if [ -n "${SBX_CLIENTS:-}" ]; then
	cd "$OLDPWD" 2>/dev/null || true
	for generation in a c d; do (cd "clients/$generation" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error); done
	as=(env)
	suite "LibreChat's own tools" SBX_CLIENTS=1 -- clients/agents.test.cjs
fi
echo "$passed passed, $failed failed"
[ $failed = 0 ]
