#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
load ../helpers

verbs() { "$BUILD/sbx" --help | awk '/^  [a-z]/ { print $1 }'; }

@test "--version prints one line" {
	capture sbx --version
	equals "$status" 0
	grep -qxE 'sbx [0-9]+[.][0-9]+[.][0-9]+' <<<"$output"
	[ -z "$errors" ]
}

@test "--help, -h and help list every command of the design" {
	local verb
	for word in --help -h help; do
		capture sbx $word
		equals "$status" 0
		[ -z "$errors" ]
	done
	for verb in upload exec ls sessions stat get rm diff undo fork gc fsck doctor attack config profile; do
		verbs | grep -qx "$verb"
	done
}

@test "every command has --help with its options, and -h anywhere" {
	local verb
	for verb in $(verbs); do
		capture sbx "$verb" --help
		equals "$status" 0
		grep -q "^Usage: sbx $verb" <<<"$output"
		grep -q -- '--json' <<<"$output"
		[ -z "$errors" ]
	done
	capture sbx exec --lang python -h
	equals "$status" 0
}

@test "without a command: usage on stderr, status 2" {
	capture sbx
	refused_words 2 Usage
}

@test "an unknown command, option or operand is one line and where to look" {
	capture sbx frobnicate
	refused_words 2 "unknown command 'frobnicate'"
	[ "$(wc -l <"$TMP/.err")" -eq 2 ]
	capture sbx ls --nope
	refused_words 2 "unknown option '--nope'"
	grep -q 'sbx ls --help' <<<"$errors"
	capture sbx ls operand
	refused_words 2 operand
	capture sbx ls -s
	refused_words 2 'needs a value'
	capture sbx ls --json=1
	refused_words 2 'takes no value'
	capture sbx ls -s a -s b
	refused_words 2 twice
	capture sbx gc --ttl 1x
	refused_words 2 TIME
	capture sbx ls --sess x	# no abbreviations
	refused_words 2 'unknown option'
}

@test "a usage error is JSON where JSON was asked for" {
	capture sbx ls --json --nope
	refused E_USAGE
	capture sbx ls --request - --session x
	refused E_USAGE
}

@test "control characters of the outside world never reach the terminal" {
	capture sbx $'\e[31mred\e]0;t\a'
	[ "$status" -eq 2 ]
	! grep -q $'[\x01-\x08\x0b-\x1f\x7f]' "$TMP/.err"
	capture sbx ls $'--\e[31m'
	! grep -q $'[\x01-\x08\x0b-\x1f\x7f]' "$TMP/.err"
	capture sbx exec $'no\nsuch\e[0m.py'
	! grep -q $'[\x01-\x08\x0b-\x1f\x7f]' "$TMP/.err"
	equals "$(wc -l <"$TMP/.err")" 1
}

@test "options in both forms" {
	upload a x
	local form
	for form in "-s $session" "-s$session" "--session $session" "--session=$session"; do
		# shellcheck disable=SC2086 # one or two words
		capture sbx ls $form --json
		ok
	done
}

@test "durations and sizes of options" {
	capture sbx exec --json -t 500ms -m 64M --lang python -c 1
	ok
	has '.limits.wall_ms == 500 and .limits.memory_bytes == 67108864'
	capture sbx exec --json -t 7 --lang python -c 1
	ok
	has '.limits.wall_ms == 7000'
	capture sbx exec --json -t -1 --lang python -c 1
	[ "$status" -eq 2 ]
	capture sbx exec --json -t ' 1' --lang python -c 1
	[ "$status" -eq 2 ]
	capture sbx exec --json -m 1e9 --lang python -c 1
	[ "$status" -eq 2 ]
	capture sbx exec --json -m 99999999999999999999 --lang python -c 1
	[ "$status" -eq 2 ]
}

@test "an answer that cannot be written is a failure" {
	[ -w /dev/full ] || lacking /dev/full
	status=0
	sbx config --json >/dev/full 2>"$TMP/.err" || status=$?
	[ "$status" -ne 0 ]
	grep -q 'write' "$TMP/.err"
	status=0
	sbx config >/dev/full 2>"$TMP/.err" || status=$?
	[ "$status" -ne 0 ]
	status=0
	sbx --help >/dev/full 2>/dev/null || status=$?
	[ "$status" -ne 0 ]
}

@test "closed standard descriptors are no accident" {
	upload a x
	status=0
	"$BUILD/sbx" ls -s "$session" <&- 2>&- >"$TMP/.out" || status=$?
	equals "$status" 0
	status=0
	"$BUILD/sbx" ls -s "$session" <&- 2>&- >&- || status=$?
	[ "$status" -ne 0 ]
	equals "$(names)" a
}

@test "sbx-jail by hand says who starts it" {
	capture "$BUILD/sbx-jail" 3>&- 4>&-
	[ "$status" -eq 2 ]
	grep -q 'started by sbx' <<<"$errors"
}

@test "the program under another name speaks of itself by that name" {
	ln -s "$BUILD/sbx" "$HOME/jailer"
	capture "$HOME/jailer" nope
	grep -q '^jailer: ' <<<"$errors"
	capture "$HOME/jailer" --version
	grep -q '^jailer ' <<<"$output"
}

@test "--die-with-parent ends the run when the caller ends" {
	bash -c '"$BUILD/sbx" exec --die-with-parent --json -- sleep 60 >/dev/null & echo $! >pid
		until ls "$SBX_STORAGE"/*/*/.run/*/in >/dev/null 2>&1; do :; done; kill -9 $$' || :
	until_true 20 no_new_process
	request sessions '{}'
	ok
	sbx gc >/dev/null
}
