#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# replay: a recorded run once more on the same inputs, compared by hash.
load ../helpers

exec_of() { exec_id=$(jq -r .exec_id <<<"$output"); }
kept() { config '{"keep_code":true}'; }

@test "the same code on the same inputs comes out the same, and nothing of the session changes" {
	local before
	kept
	upload in.txt hello
	request exec "$(in_session '{"lang":"bash","code":"cat >got.txt; tr a-z A-Z <in.txt >out.txt; echo $1 $K; echo e >&2; rm in.txt; mkdir d; echo 1 >d/x","stdin":"typed","args":["arg"],"env":{"K":"v"},"limits":{"wall_ms":9000}}')" && ok
	exec_of
	has '.committed and (.files | length == 4)'
	request upload "$(in_session '{"files":[{"name":"in.txt","content":"changed since"}]}')" && ok
	before=$(store_sum)
	capture sbx replay --json "$exec_id" && ok
	has '.same and .different == 0 and .unknown == 0 and .exec_id == $e and (.kept | not)' --arg e "$exec_id"
	has '.results == {status: "same", exit_code: "same", signal: "same", stdout: "same", stderr: "same"}'
	has '.files | (map(.name) | sort) == ["d/x", "got.txt", "in.txt", "out.txt"] and all(.[]; .result == "same")'
	has '.around == {profile_sha256: "same", lang_version: "same"} and .replay.exec_id != .exec_id and .replay.limits.wall_ms == 9000'
	equals "$(store_sum)" "$before"
	request sessions '{}' && ok && has '.sessions | length == 1'
	capture sbx replay "$exec_id"
	equals "$status" 0
	grep -qE '^same +stdout$' "$TMP/.out"
	grep -qE '^same +out.txt$' "$TMP/.out"
}

@test "what differs is named: output, a file, its absence, the status" {
	kept
	request exec '{"lang":"bash","code":"echo $RANDOM$RANDOM$RANDOM; date +%N >t.txt; echo same >s.txt; touch f-$RANDOM$RANDOM"}' && ok
	exec_of
	capture sbx replay --json "$exec_id" && ok
	has '.same == false and .different == 4 and .results.stdout == "different" and .results.stderr == "same" and .results.status == "same"'
	has '[.files[] | select(.name == "t.txt")] | .[0].result == "different" and .[0].was != .[0].is'
	has '[.files[] | select(.name == "s.txt")] | .[0].result == "same"'
	has '[.files[].result] | sort == ["different", "missing", "new", "same"]'
	capture sbx replay "$exec_id"
	equals "$status" 1
	grep -qE '^different +t.txt$' "$TMP/.out"
}

@test "without kept code it has to be given, and its hash must match" {
	local code='echo "$K"; cat'
	request exec "$(jq -cn --arg c "$code" '{lang: "bash", code: $c, stdin: "in", env: {K: "v"}}')" && ok
	exec_of
	replay() { request replay "$(jq -cn --arg e "$exec_id" --argjson x "$1" '{exec: [$e]} + $x')"; }
	replay '{}' && refused E_REQUEST /code
	has '.error.hint | length > 0'
	replay '{"code":"echo"}' && refused E_REQUEST /code
	replay "$(jq -cn --arg c "$code" '{code: $c}')" && refused E_REQUEST /stdin
	replay "$(jq -cn --arg c "$code" '{code: $c, stdin: "other"}')" && refused E_REQUEST /stdin
	replay "$(jq -cn --arg c "$code" '{code: $c, stdin: "in"}')" && refused E_REQUEST /env
	replay "$(jq -cn --arg c "$code" '{code: $c, stdin: "in", env: {K: "w"}}')" && refused E_REQUEST /env
	replay "$(jq -cn --arg c "$code" '{code: $c, stdin: "in", env: {K: "v"}}')" && ok && has .same
	printf '%s' "$code" >code.sh
	printf in >in
	capture sbx replay -c code.sh --stdin in -e K=v "$exec_id"
	equals "$status" 0
	capture sbx replay -c none.sh "$exec_id"
	refused_words 66 "open 'none.sh'"
	replay '{"file":"code.sh"}' && refused E_REQUEST /file
}

@test "files of a run that was not committed are unknown, not the same" {
	kept
	request exec '{"lang":"bash","code":"echo 1 >a.txt; exit 3"}' && ok
	exec_of
	capture sbx replay --json "$exec_id" && ok
	has '.same and .unknown == 1 and (.files | length == 1) and .files[0].result == "unknown" and .results.exit_code == "same"'
}

@test "only asked for the new session stays, with what came out" {
	local new
	kept
	request exec '{"lang":"bash","code":"echo 1 >a.txt"}' && ok
	exec_of
	session=$(jq -r .session <<<"$output")
	capture sbx replay --keep --json "$exec_id" && ok && has .kept
	new=$(jq -r .replay.session <<<"$output")
	[ "$new" != "$session" ]
	session=$new
	equals "$(content_of a.txt)" 1
}

@test "a run of somebody else or of nobody is not there, and gone inputs are told" { # S0-24
	kept
	request exec '{"user":"'$USER_A'","lang":"bash","code":"true"}' && ok
	exec_of
	capture sbx replay --json -u "$USER_B" "$exec_id" && refused E_NOT_FOUND
	capture sbx replay --json -u "$USER_A" "$ABSENT" && refused E_NOT_FOUND
	capture sbx replay --json -u "$USER_A" x && refused E_REQUEST /exec/0
	capture sbx replay
	[ "$status" -ne 0 ]
	upload in.txt hello '{"user":"'$USER_A'"}'
	request exec "$(in_session '{"user":"'$USER_A'","lang":"bash","code":"cat in.txt"}')" && ok
	exec_of
	request rm "$(in_session '{"user":"'$USER_A'","whole_session":true}')" && ok
	capture sbx replay --json -u "$USER_A" "$exec_id" && refused E_NOT_FOUND
	request sessions '{"user":"'$USER_A'"}' && ok && has '.sessions | length == 1'
	capture sbx audit --json -u "$USER_B" && ok
	has '.records | length == 1 and .[0].action == "exec" and .[0].details.verb == "replay" and .[0].status == "denied"'
}

@test "a command instead of code is replayed too, and a changed profile is told" {
	request exec '{"argv":["echo","a"],"args":["b"]}' && ok
	exec_of
	capture sbx replay --json "$exec_id" && ok && has '.same and .replay.stdout == "a b\n"'
	jq '.description = "changed"' "$SOURCE/profiles/default.json" >"$XDG_CONFIG_HOME/sbx/profiles/default.json"
	capture sbx replay --json "$exec_id" && ok && has '.same and .around.profile_sha256 == "different"'
}
