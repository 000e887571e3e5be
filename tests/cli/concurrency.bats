#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
load ../helpers

wide() { config '{"slots_user":1000,"slots_total":1000,"queue":1000,"wait_ms":600000,"pressure_percent":0,"fsync":false}'; }

# the shell form of exec that waits for a line before it goes on
start_waiting() { # NAME CODE
	mkfifo "$1.go"
	timeout 120 "$BUILD/sbx" exec -s "$session" -- sh -c "echo ready; read -r x; $2" <"$1.go" >"$1.out" 2>&1 &
	eval "exec $3>\"$1.go\""
	until_true 60 grep -q ready "$1.out"
}

# bats test_tags=slow
@test "two hundred runs at once on one session: each keeps its file, each is a revision" { # S4-09
	wide
	upload seed x
	local i
	for ((i = 1; i <= 200; i++)); do
		printf '{"session":"%s","argv":["sh","-c","echo $0 >f$0; echo $0 >shared","%s"]}' "$session" $i >"r$i"
	done
	for ((i = 1; i <= 200; i++)); do
		"$BUILD/sbx" exec --request "r$i" >"o$i" 2>"e$i" &
	done
	wait
	for ((i = 1; i <= 200; i++)); do
		holds '.ok and .status == "success" and .committed' "o$i" >/dev/null || { cat "o$i" "e$i"; false; }
	done
	equals "$(jq -s 'map(.revision) | sort == [range(2; 202)]' o*)" true
	request ls "$(in_session)"
	ok
	has '.revision == 201 and (.files | length) == 202'
	for i in 1 77 200; do equals "$(content_of "f$i")" "$i"; done
	# the last commit holds the name, and all the others' bytes are still to be had
	local last
	last=$(jq -s -r 'max_by(.revision).files | map(select(.name == "shared"))[0].id' o*)
	request ls "$(in_session)"
	has '.files | map(select(.name == "shared"))[0].id == $i' --arg i "$last"
	for i in $(jq -r '.files | map(select(.name == "shared"))[0].id' o5 o50 o150); do
		capture sbx get "$i"
		equals "$status" 0
	done
}

@test "a name that two runs change keeps both files, the later commit holds the name" {
	upload n.txt base
	start_waiting one 'echo one >n.txt' 8
	start_waiting two 'cat n.txt; echo two >n.txt' 9
	echo >&8
	exec 8>&-
	until_true 30 sh -c "ls '$SBX_STORAGE'/*/'$session'/.manifest/2.json >/dev/null 2>&1"
	echo >&9
	exec 9>&-
	wait
	equals "$(content_of n.txt)" two
	grep -qx base two.out || grep -q '^base' two.out	# it saw the revision it started from
	sbx get -s "$session" -r 2 n.txt >got
	equals "$(<got)" one
}

@test "a deletion does not take a file that somebody else made newer meanwhile" {
	upload n.txt base
	start_waiting one 'rm n.txt' 8
	upload n.txt newer "$(in_session)"
	echo >&8
	exec 8>&-
	wait
	equals "$(content_of n.txt)" newer
}

@test "changes of others in other names are kept" {
	upload n.txt base
	start_waiting one 'echo 1 >mine.txt' 8
	upload other.txt o "$(in_session)"
	request rm "$(in_session '{"files":["n.txt"]}')"
	ok
	echo >&8
	exec 8>&-
	wait
	equals "$(names | tr '\n' ' ')" "mine.txt other.txt "
}

@test "fifty uploads at once to one session are fifty revisions" {
	wide
	upload seed x
	local i
	for ((i = 1; i <= 50; i++)); do
		printf '%s' "$(in_session "{\"files\":[{\"name\":\"f$i\",\"content\":\"$i\"}]}")" | "$BUILD/sbx" upload --request - >"o$i" &
	done
	wait
	equals "$(jq -s 'map(.ok) | all' o*)" true
	request ls "$(in_session)"
	has '.revision == 51 and (.files | length) == 51'
}

@test "uploads of one user at once never pass the user's quota" {
	config '{"user_bytes":10000,"fsync":false}'
	local i n
	for ((i = 1; i <= 30; i++)); do
		head -c 1000 /dev/zero | "$BUILD/sbx" upload --name "f$i" --json -u $USER_A -s "" - >"o$i" 2>&1 || :
	done
	upload seed "" "{\"user\":\"$USER_A\"}"
	for ((i = 1; i <= 30; i++)); do
		jq -cn --arg s "$session" --arg u $USER_A --arg n "f$i" '{user: $u, session: $s, files: [{name: $n, content: ("x" * 1000)}]}' |
			"$BUILD/sbx" upload --request - >"o$i" &
	done
	wait
	n=$(jq -s 'map(select(.ok)) | length' o*)
	[ "$n" -le 10 ] && [ "$n" -ge 8 ]
	equals "$(jq -s 'map(select(.ok | not) | .error.code) | unique | join(",")' -r o*)" E_QUOTA
	request ls "{\"user\":\"$USER_A\",\"session\":\"$session\"}"
	has '(.files | map(.size) | add) <= 10000'
}

@test "runs and removals at once leave a sound store" {
	wide
	upload seed x
	local i
	for ((i = 1; i <= 30; i++)); do
		case $((i % 3)) in
		0) printf '%s' "$(in_session '{"files":["seed"]}')" | "$BUILD/sbx" rm --request - >"o$i" & ;;
		1) printf '%s' "$(in_session '{"argv":["sh","-c","echo y >seed; echo z >>log"]}')" | "$BUILD/sbx" exec --request - >"o$i" & ;;
		2) printf '%s' "$(in_session)" | "$BUILD/sbx" undo --request - >"o$i" & ;;
		esac
	done
	wait
	for ((i = 1; i <= 30; i++)); do
		holds '.ok or .error.code == "E_NOT_FOUND"' "o$i" >/dev/null || { cat "o$i"; false; }
	done
	request ls "$(in_session)"
	ok
}

@test "removing a session while runs begin in it: each answers, nothing is left" {
	wide
	upload seed x
	local i
	for ((i = 1; i <= 20; i++)); do
		printf '%s' "$(in_session '{"argv":["sh","-c","echo y >new"]}')" | "$BUILD/sbx" exec --request - >"o$i" 2>&1 &
	done
	printf '%s' "$(in_session '{"whole_session":true,"force":true}')" | "$BUILD/sbx" rm --request - >oo &
	wait
	for ((i = 1; i <= 20; i++)); do
		holds 'has("ok")' "o$i" >/dev/null || { cat "o$i"; false; }
	done
	sbx gc >/dev/null
	request sessions '{}'
	ok
}

@test "no command beside it sweeps away a run that just begins" {
	wide
	upload seed x
	local i k
	for ((i = 0; i < 10; i++)); do
		(while [ ! -e stop ]; do "$BUILD/sbx" ls --json -s "$session" >/dev/null; done) &
	done
	for ((k = 0; k < 15; k++)); do
		for ((i = 0; i < 6; i++)); do
			printf '%s' "$(in_session '{"argv":["true"]}')" | "$BUILD/sbx" exec --request - >"o$k.$i" &
		done
		until_true 60 eval '[ "$(cat o$k.* | wc -l)" -eq 6 ]'
	done
	touch stop
	wait
	equals "$(jq -r 'select(.ok | not) | .error.message' o* | sort | uniq -c)" ""
}
