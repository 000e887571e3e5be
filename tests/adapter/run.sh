#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The adapter's suites. Without a word: against a stand-in for sbx (every answer and error once), then against
# the sbx at SBX_REAL. With the word "clients": LibreChat's published tools, three releases of them by their
# lock files, against the same sbx. These are 1.5 GB of packages; SBX_CLIENTS_DIR names a directory to keep
# them in from run to run, which a user without rights must be able to read. Started by root it installs the
# packages and runs the suites as a user number that nobody has.
{ # read whole before it begins: an edit meanwhile does no harm
set -euo pipefail
want=${1:-suites}
case $want in suites | clients) ;; *) echo "run.sh: 'suites' or 'clients'" >&2; exit 2 ;; esac
cd "$(dirname "${BASH_SOURCE[0]}")/../../contrib/librechat"
real=${SBX_REAL:+$(realpath "$SBX_REAL")}
install() { npm ci --ignore-scripts --no-audit --no-fund --loglevel=error; }
as=(env)
place=.
if [ "$(id -u)" = 0 ]; then
	t=$(mktemp -d "${TMPDIR:-/tmp}/sbx-adapter.XXXXXX")
	trap 'rm -rf "$t"' EXIT
	chmod 755 "$t"
	mkdir "$t/home" "$t/tmp"
	# a copy, since the tree may lie where only root may go
	tar --exclude=node_modules -cf - . | (mkdir "$t/adapter" && tar -C "$t/adapter" -xf -)
	cp -R ../grafana ../prometheus "$t/"
	if [ -n "$real" ]; then
		mkdir "$t/build" && cp "$(dirname "$real")"/sbx* "$t/build/" && cp -R ../../profiles "$t/profiles"
		real=$t/build/sbx
	fi
	uid=61009
	while getent passwd $uid >/dev/null || [ -n "$(ps -o pid= -U $uid)" ]; do uid=$((uid + 1)); done
	chown -R $uid:$uid "$t"
	as=(setpriv --reuid "$uid" --regid "$uid" --clear-groups env -i PATH="$PATH" HOME="$t/home" TMPDIR="$t/tmp" LANG=C.UTF-8)
	place=$t/adapter
fi
clients() { # installs each release where the suite looks for it
	local generation kept
	for generation in a c d; do
		kept=${SBX_CLIENTS_DIR:+$(realpath -m "$SBX_CLIENTS_DIR")/$generation}
		if [ -z "$kept" ]; then
			(cd "$place/clients/$generation" && install)
			continue
		fi
		if ! cmp -s "clients/$generation/package-lock.json" "$kept/.installed"; then
			mkdir -p "$kept" && cp "clients/$generation"/package*.json "$kept/"
			(cd "$kept" && install && cp package-lock.json .installed)
		fi
		rm -rf "$place/clients/$generation/node_modules"
		ln -s "$kept/node_modules" "$place/clients/$generation/node_modules"
	done
}
(cd "$place" && install)
[ "$want" = suites ] || clients
cd "$place"
passed=0 failed=0
suite() { # NAME VARIABLES... -- FILES...
	local name=$1 vars=() log rc=0
	shift
	while [ "$1" != -- ]; do vars+=("$1"); shift; done
	shift
	log=$(mktemp)
	"${as[@]}" "${vars[@]}" node --test --test-concurrency=1 --test-reporter=tap "$@" >"$log" 2>&1 </dev/null || rc=$?
	local p f
	p=$(sed -n 's/^# pass //p' "$log") f=$(sed -n 's/^# fail //p' "$log")
	passed=$((passed + ${p:-0})) failed=$((failed + ${f:-1}))
	echo "# $name: ${p:-0} passed, ${f:-?} failed"
	[ $rc = 0 ] || { grep -A25 -E '^ *not ok' "$log" | head -200; failed=$((failed + (${f:-0} == 0))); }
	rm -f "$log"
}
if [ "$want" = clients ]; then
	suite "LibreChat's own tools" NONE=1 ${real:+"SBX_REAL=$real"} -- clients/agents.test.cjs clients/conversation.test.cjs
else
	# what is the same for every sbx, and long, meets the real one if there is one
	suite "adapter with a stand-in" NONE=1 -- test/{units,auth,doors,exec,files,programmatic,sharing,preview,mongo,watch}.test.js
	if [ -n "$real" ]; then
		suite "adapter with sbx" SBX_REAL="$real" SBX_MUST="${SBX_MUST:-}" -- test/{exec,files,programmatic,auth,doors,sharing,preview,kill,load,hostile,mongo,watch,monitoring,browser}.test.js
	else
		suite "hostile clients" NONE=1 -- test/hostile.test.js
	fi
fi
echo "$passed passed, $failed failed"
[ $failed = 0 ]
exit
}
