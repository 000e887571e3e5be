#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Started by root, sbx becomes the run_as user before it touches anything, or refuses. tests/run
# starts this file as root when it is root itself.
load ../helpers

setup() {
	[ "$(id -u)" -eq 0 ] || lacking root
	getent passwd nobody >/dev/null || lacking "the user nobody"
	common_setup
	PLACE=$(mktemp -d /tmp/sbx-root.XXXXXX)
	chmod 711 "$PLACE"
	export SBX_STORAGE=$PLACE/store SBX_STATE=$PLACE/state SBX_RUN_AS=nobody
	install -d -o nobody -m 700 "$SBX_STORAGE" "$SBX_STATE"
	# nobody must reach the programs
	setpriv --reuid=nobody --clear-groups test -x "$BUILD/sbx-jail" || lacking "a build directory that nobody may read"
}
teardown() {
	equals "$(ps -o pid= -U nobody -u nobody -C sbx,sbx-jail | wc -l)" "$(ps -o pid= -U nobody -u nobody | wc -l)" || :
	[ -z "${PLACE:-}" ] || rm -rf "$PLACE"
}

@test "root becomes the run_as user: the store and the jail are that user's" {
	capture sbx exec --json -- sh -c 'id -u; cat /proc/self/uid_map; echo x >f'
	ok
	has '.stdout | startswith("1000\n")'
	has '.stdout | test("1000 +\($u) +1\n")' --arg u "$(id -u nobody)"
	has '.isolation.groups == 0'
	equals "$(find "$PLACE/store" "$PLACE/state" ! -user nobody | wc -l)" 0
}

@test "no process of a run has uid 0 or a supplementary group" { # S4-07
	"$BUILD/sbx" exec -- sleep 30 >/dev/null 2>&1 &
	local pid=$! child
	until_true 30 sh -c "grep -q . /proc/$pid/task/$pid/children"
	for child in $pid $(cat "/proc/$pid/task/$pid/children"); do
		grep -qE '^Uid:(\s+'"$(id -u nobody)"'){4}$' "/proc/$child/status"
		grep -qE '^Groups:\s*$' "/proc/$child/status"
		grep -qE '^CapEff:\s*0+$' "/proc/$child/status"
	done
	kill $pid
	wait $pid || :
}

@test "without such a user it refuses with the remedy, and touches nothing" {
	SBX_RUN_AS=no-such-user-here capture sbx exec --json -- true
	refused E_ISOLATION
	has '.error.hint | contains("useradd")'
	SBX_RUN_AS=root capture sbx exec --json -- true
	refused E_ISOLATION
	SBX_RUN_AS=no-such-user-here capture sbx upload --json /etc/hostname
	refused E_ISOLATION
	equals "$(find "$PLACE/store" -mindepth 1 | wc -l)" 0
}

@test "installed setuid it refuses" {
	install -m 4755 "$BUILD/sbx" "$PLACE/sbx"
	status=0
	setpriv --reuid=nobody --clear-groups "$PLACE/sbx" ls --json >"$TMP/.out" 2>"$TMP/.err" || status=$?
	errors=$(<"$TMP/.err")
	refused E_ISOLATION
	has '.error.message | contains("setuid")'
}

@test "sbx-jail itself does not run as uid 0" {
	capture "$BUILD/sbx-jail" 3</dev/null 4>"$PLACE/report"
	[ "$status" -ne 0 ] || grep -qa 'uid 0' "$PLACE/report"
}

@test "a user quota of the file system: E_STORAGE, and nothing is left" {
	command -v strace >/dev/null || lacking strace
	# no quota can be had on any disk: the kernel's refusal is put in the place of the link's success
	echo x >"$PLACE/f"
	chmod 644 "$PLACE/f"
	capture strace -qq -o /dev/null -e trace=linkat -e inject=linkat:error=EDQUOT "$BUILD/sbx" upload --json "$PLACE/f"
	refused E_STORAGE
	equals "$(find "$PLACE/store" -name '*.bin' | wc -l)" 0
}
