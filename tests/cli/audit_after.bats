#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What a program that copies the audit log needs of it: a place to go on from, and words it can rely on.
load ../helpers

# The numbers that a tail has shown so far.
shown() { jq -s -c 'map(.seq)' "$TMP/tail" 2>/dev/null; }
has_shown() { [ "$(shown)" = "$1" ]; }

@test "a reader that names the last record it knows gets the rest, once" { # S1-50, S1-10
	for n in 1 2 3 4; do echo "$n" | sbx upload --name "f$n" - >/dev/null; done
	run -0 sbx audit export --after 2
	equals "$(jq -s -c 'map(.seq)' <<<"$output")" '[3,4]'
	run -0 sbx audit --after 3 --json
	equals "$(jq -c '[.records[].seq]' <<<"$output")" '[4]'
	run -0 sbx audit export --after 4
	equals "$output" ''
	# from the first on, then what is recorded meanwhile
	"$BUILD/sbx" audit tail --after 0 --json >"$TMP/tail" 3>&- & pid=$!
	until_true 10 has_shown '[1,2,3,4]'
	sbx ls >/dev/null
	until_true 10 has_shown '[1,2,3,4,5]'
	kill $pid
	wait $pid || :
	capture sbx audit export --after x --json
	equals "$status" 2
}

@test "operations have the words of the schema, and a refusal has its code" { # S1-47 S1-48 S1-51 S1-60
	echo 1 | sbx upload --name f - >/dev/null
	SBX_CLIENT_IP=192.0.2.8 SBX_CLIENT_AGENT=$'a"\n{' sbx get f >/dev/null
	sbx ls >/dev/null
	run -66 sbx get absent.txt
	session=$(sbx sessions --json | jq -r '.sessions[0].session')
	request ls "$(in_session '{"id_form":"short"}')"
	ok
	equals "$(sbx audit -n 1 --json | jq -r '.records[0].sessionId')" "$session"
	run -0 sbx audit export
	equals "$(jq -s -c 'map(.action)' <<<"$output")" '["upload","download","files_list","download","sessions","files_list"]'
	equals "$(jq -s -c '.[1] | [(.sessionId | length), .file.filename, .file.size, .ip, .userAgent]' <<<"$output")" '[36,"f",2,"192.0.2.8","a\"\n{"]'
	equals "$(jq -s -c '.[3] | [.status, .error, (.details.message | type)]' <<<"$output")" '["denied","E_NOT_FOUND","string"]'
}

@test "a wrong key is recorded and counted, with where it came from" { # S1-49 S1-64
	request audit '{"what":["auth-failure"],"count":3,"ip":"192.0.2.7","user_agent":"a\nb"}'
	ok
	has '.count == 3'
	run -0 sbx audit export --action auth_failure
	equals "$(jq -c '[.action, .status, .ip, .userAgent, .details.count, .userId]' <<<"$output")" '["auth_failure","denied","192.0.2.7","a\nb",3,null]'
	equals "$(sbx stats --json | jq .auth_failures)" 3
	run -0 sbx audit verify
}
