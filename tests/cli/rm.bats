#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
load ../helpers

@test "rm takes files out of the next revision, by name, id and ./NAME" {
	request upload '{"files":[{"name":"a","content":"1"},{"name":"b","content":"2"},{"name":"c","content":"3"},{"name":"d","content":"4"}]}'
	ok
	session=$(jq -r .session "$TMP/.out")
	local b
	b=$(jq -r '.files[1].id' "$TMP/.out")
	request rm "$(in_session "{\"files\":[\"a\",\"$b\",\"./c\"]}")"
	ok
	has '.revision == 2 and (.removed | map(.name)) == ["a","b","c"]'
	equals "$(names)" d
	request ls "$(in_session '{"revision":1}')"
	has '.files | length == 4'
}

@test "all of them or none" {
	upload a x
	request rm "$(in_session '{"files":["a","nope"]}')"
	refused E_NOT_FOUND /files/1
	equals "$(names)" a
	request ls "$(in_session)"
	has '.revision == 1'
}

@test "exactly one kind of removal" {
	upload a x
	request rm "$(in_session)"
	refused E_REQUEST
	request rm "$(in_session '{"files":["a"],"whole_session":true}')"
	refused E_REQUEST
	request rm '{"whole_user":true}'
	refused E_REQUEST
	capture sbx rm
	[ "$status" -eq 2 ]
	request rm '{"files":["a"]}'
	refused E_REQUEST /session
	equals "$(names)" a
}

@test "a whole session goes with its files and its ids" {
	upload a x
	local dir
	dir=$(echo "$SBX_STORAGE"/*/"$session")
	request rm "$(in_session '{"whole_session":true}')"
	ok
	[ ! -e "$dir" ]
	equals "$(find "$SBX_STORAGE/.ids" -type l)" ""
	request stat "{\"id\":\"$id\"}"
	refused E_NOT_FOUND
	request ls "$(in_session)"
	refused E_NOT_FOUND
	request rm "$(in_session '{"whole_session":true}')"
	refused E_NOT_FOUND
}

@test "everything of a user goes, and nothing of another" {
	upload a x "{\"user\":\"$USER_A\"}"
	upload b y "{\"user\":\"$USER_A\"}"
	upload c z "{\"user\":\"$USER_B\"}"
	request rm "{\"user\":\"$USER_A\",\"whole_user\":true}"
	ok
	has '.sessions_removed == 2'
	[ ! -e "$SBX_STORAGE/$USER_A" ]
	equals "$(find "$SBX_STORAGE/.ids" -type l | wc -l)" 1
	request stat "{\"user\":\"$USER_B\",\"id\":\"$id\"}"
	ok
}

@test "a session with a run in it is busy, and --force removes it all the same" {
	upload a x
	printf '%s' "$(in_session '{"argv":["sleep","30"]}')" | "$BUILD/sbx" exec --request - >run.json 2>&1 &
	local pid=$!
	until_true 30 sh -c "ls $SBX_STORAGE/*/$session/.run/*/in >/dev/null 2>&1"
	request rm "$(in_session '{"whole_session":true}')"
	refused E_BUSY
	equals "$(names)" a
	request rm "$(in_session '{"whole_session":true,"force":true}')"
	ok
	kill $pid
	wait $pid || :
}

@test "in the shell --session-all and --user-all" {
	echo x >a
	sbx upload a >/dev/null
	capture sbx rm a
	equals "$status" 0
	capture sbx rm --session-all
	equals "$status" 0
	sbx upload a >/dev/null
	capture sbx rm --user-all
	[ "$status" -eq 2 ]
	capture sbx rm --user-all -u "$(login_name)"
	equals "$status" 0
	capture sbx sessions --json
	has '.sessions == []'
}

@test "a file that a run removed is still in the revision before" {
	upload a x
	python 'import os; os.remove("a")' "$(in_session)"
	ok
	equals "$(names)" ""
	request get "$(in_session "{\"name\":\"a\",\"revision\":1,\"out\":\"$PWD/o\"}")"
	ok
	equals "$(<o)" x
}

@test "a user who is removed is in no file any more; the audit log keeps hashes and verifies" {
	local i
	for i in 1 2; do upload "private-$i.txt" secret-content '{"user":"'$USER_A'","ip":"192.0.2.77","user_agent":"Agent-Of-A"}'; done
	request exec "$(in_session '{"user":"'$USER_A'","lang":"bash","code":"echo x >made-by-a.txt"}')" && ok
	request get "$(in_session '{"user":"'$USER_A'","name":"absent-a.txt","out":"/dev/null"}')" && refused E_NOT_FOUND
	sbx upload -u "$USER_A" -n typed.txt - <<<x >/dev/null # leaves a last session
	upload b.txt x '{"user":"'$USER_B'"}'
	printf '{"seq":99,"userId":"%s' "$USER_A" >>"$SBX_STATE/audit/audit.jsonl"
	capture sbx rm --json -u "$USER_A" --user-all && ok
	has '.sessions_removed == 3 and .audit_records_blanked == 5'
	run ! grep -rlaE "$USER_A|192\.0\.2\.77|Agent-Of-A|private-|made-by-a|absent-a|secret-content|typed\.txt" "$SBX_STORAGE" "$SBX_STATE"
	equals "$(find "$SBX_STORAGE" "$SBX_STATE" -name "*$USER_A*")" ""
	[ -z "$(find "$SBX_STORAGE" -lname "$USER_A/*")" ]
	capture sbx audit verify --json && ok && has '.intact and .erased == 5'
	capture sbx audit verify
	grep -q '^5 records were erased on request$' "$TMP/.out"
	capture sbx audit --json -u "$USER_A" && ok && has '.records == []'
	capture sbx audit --json && ok
	has '[.records[] | select(.erased)] | length == 5 and all(.[]; has("action") and (has("userId") or has("ip") or has("file") or has("details") | not))'
	has '.records[-1] | .action == "rm" and .status == "success" and (has("userId") | not)'
	has '[.records[] | select(.userId == $u)] | length == 1' --arg u "$USER_B"
	capture sbx history --json -u "$USER_A" && ok && has '.runs == []'
	# a blank put there by hand is not one that was asked for
	sed -i '/"userId":"'$USER_B'"/s/"salt":.*}/"erased":true}/' "$SBX_STATE/audit/audit.jsonl"
	capture sbx audit verify --json && refused E_CORRUPT
	capture sbx rm --json -u "$USER_A" --user-all
	refused E_NOT_FOUND
}

@test "who removes oneself does not get a new budget" {
	config '{"day_runs":1}'
	bash_code 'echo 1' '{"user":"'$USER_A'"}' && ok
	capture sbx rm --json -u "$USER_A" --user-all && ok
	bash_code 'echo 2' '{"user":"'$USER_A'"}'
	refused E_RATE
}

@test "a user without files, of whom only history and audit tell, is removed too" {
	request exec '{"user":"'$USER_A'","lang":"bash","code":"true"}' && ok
	request rm "$(jq -c '{user, session, whole_session: true}' <<<"$output")" && ok
	rm -rf "${SBX_STORAGE:?}/$USER_A"
	capture sbx rm --json -u "$USER_A" --user-all && ok && has '.sessions_removed == 0 and .audit_records_blanked == 2'
	run ! grep -rlq "$USER_A" "$SBX_STATE"
	capture sbx audit verify --json && ok
}
