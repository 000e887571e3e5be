#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# bats file_tags=security
# Process 1 of the jail in the hands of the command (tests/hostile/init.c): whatever it sends, sbx ends in
# time, with an answer or a typed error, takes nothing but files of the scratch space within their limits,
# and the store stays sound (teardown asks fsck).
load ../helpers

# hostile SCENARIO [OBJECT [COMMAND]]: one run whose process 1 does that; sets seconds.
hostile() {
	local extra=${2:-} begin=$SECONDS
	if [ -z "${session:-}" ]; then
		upload input.txt hello >/dev/null || return 1
	fi
	export SBX_LIBEXEC=$BUILD/hostile
	request exec "$(jq -cn --arg s "$session" --arg c "echo '$1' >scenario.new; mv scenario.new scenario; ${3:-:}" \
		--argjson x "${extra:-null}" '{session: $s, argv: ["/bin/bash", "-c", $c], commit: "always", limits: ({wall_ms: 5000} + ($x // {}))}')"
	seconds=$((SECONDS - begin))
	echo "$1: status $status, $seconds s: $(head -c 300 "$TMP/.out")"
	[ "$seconds" -lt 60 ]
}
kept() { SBX_LIBEXEC=$BUILD names; }
# nothing of the run is kept, and the error has its code
lost() {
	refused E_INTERNAL && equals "$(kept)" input.txt
}

setup() {
	common_setup
	[ -x "$BUILD/hostile/sbx-jail" ] || { echo "not built: make tests"; return 1; }
}

@test "the twin: the same program with an honest process 1 keeps its results" {
	hostile honest '' 'echo hi >made.txt'
	ok
	equals "$(kept | sort | tr '\n' ' ')" "input.txt made.txt scenario "
}

@test "packets that are wrong, cut off, repeated or out of order: a typed error, nothing kept" {
	local s
	for s in nothing no-status empty-packet status-twice status-short no-end long-end no-descriptor \
		two-descriptors own-end unknown-type nul-in-name too-long name-twice; do
		hostile $s && lost || { echo "in $s"; return 1; }
	done
}

@test "an end at once, or one with a flood behind it, ends the run" {
	hostile more-after-end
	ok
	equals "$(kept)" input.txt
	hostile end-at-once
	ok
	equals "$(kept)" input.txt
}

@test "a descriptor of anything but a file of the scratch space is skipped and never read" {
	local s
	for s in fifo directory device socket pipe path-only write-only proc host-file read-write; do
		hostile $s && ok || return 1
		has '[.skipped[] | select(.name == "kind.txt") | .reason] == ["not a regular file"]' || return 1
		equals "$(kept)" input.txt || return 1
	done
}

@test "files in memory, sealed, growing, shrinking or huge: within the limits or not at all" {
	hostile memfd
	ok
	equals "$(kept | sort | tr '\n' ' ')" "input.txt kind.txt "
	hostile sealed
	ok
	hostile huge
	ok
	has '.skipped[] | select(.name == "kind.txt") | .reason == "larger than file_bytes"'
	hostile growing
	[ "$status" -eq 0 ] || refused E_INTERNAL
	SBX_LIBEXEC=$BUILD request ls "$(in_session)"
	has '[.files[].size] | max <= 104857600'
	hostile shrinking
	[ "$status" -eq 0 ] || refused E_INTERNAL
}

@test "names that lead elsewhere are skipped with a reason" {
	hostile bad-names
	ok
	has '[.skipped[] | select(.reason != "")] | length >= 9'
	equals "$(kept)" input.txt
	[ ! -e "$SBX_STORAGE/../a" ]
	[ ! -e /a ]
}

@test "floods end: packets without end, files without end" {
	hostile flood
	[ "$seconds" -lt 30 ]
	lost
	hostile many-files
	[ "$status" -eq 0 ] || refused E_INTERNAL
	[ "$(jq '.skipped | length' "$TMP/.out")" -le 201 ]
}

@test "silence ends: the results do not come, or their end does not" {
	hostile silent
	[ "$seconds" -lt 20 ]
	lost
	hostile never-ended
	[ "$seconds" -lt 20 ]
	[ "$status" -eq 0 ] || refused E_INTERNAL
	hostile ended-again
	[ "$seconds" -lt 20 ]
	lost
}

@test "lies to the supervisor change no limit: descriptors, clocks, floods" {
	local s
	for s in note-eyes note-listener note-compiled note-proof note-short note-descriptors note-flood; do
		hostile $s '{"wall_ms":1500}' 'sleep 60' || return 1
		[ "$seconds" -lt 20 ] || { echo "$s: $seconds s"; return 1; }
		[ "$status" -eq 0 ] || refused E_INTERNAL || return 1
		[ "$status" -ne 0 ] || has '.status == "timeout" or .status == "killed"' || return 1
	done
}

@test "who says too early that the command has ended gets no time and no memory for it" {
	hostile note-ended '{"wall_ms":5000,"memory_bytes":67108864}' \
		'sleep 0.3; exec /usr/bin/python3 -c "
import time
a = []
while True:
    a.append(bytearray(8 << 20)); time.sleep(0.01)
"'
	[ "$seconds" -lt 15 ]
	[ "$status" -eq 0 ] || refused E_INTERNAL
}

@test "a made-up failure arrives as an error with a code of the table and no bytes beyond it" {
	hostile note-fail '' 'sleep 1'
	one_document
	has '.ok == false and (.error.code | startswith("E_")) and (.error.message | length < 1000)'
}

@test "anything at all: random conversations, each ends in time" {
	local n first=${HOSTILE_FIRST:-0} end=$((SECONDS + ${HOSTILE_SECONDS:-0}))
	for ((n = 0; n < 20 || SECONDS < end; n++)); do
		hostile "fuzz $((first + n))" '{"wall_ms":2000}' >"$TMP/said" || { cat "$TMP/said"; return 1; }
		[ "$seconds" -lt 30 ] && { [ "$status" -eq 0 ] || refused E_INTERNAL; } || { cat "$TMP/said"; return 1; }
	done
	echo "$n conversations from number $first" >&3
	[ "$(kept | grep -cvxE 'input.txt|a.txt|d/e|scenario|.sbx')" -eq 0 ] || { kept; false; }
}
