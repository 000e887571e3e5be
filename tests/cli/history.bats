#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# history and show: what is known of past runs, by their commands.
load ../helpers

run_as() { request exec "$(jq -cn --arg u "$1" --arg l "$2" --arg c "$3" '{user: $u, lang: $l, code: $c}')" && ok; }

@test "history lists the runs of a user, the newest first, and filters them" { # S4-16 S4-19
	local first exec
	run_as "$USER_A" bash 'exit 3'
	first=$(jq -r .session <<<"$output")
	run_as "$USER_A" bash true
	exec=$(jq -r .exec_id <<<"$output")
	run_as "$USER_B" bash true
	capture sbx history --json -u "$USER_A" && ok
	has '.user == $u and (.runs | length == 2) and .runs[0].exec_id == $e and .runs[1].status == "error"' --arg u "$USER_A" --arg e "$exec"
	capture sbx history --json -u "$USER_A" --status error && ok && has '.runs | length == 1 and .[0].exit_code == 3'
	capture sbx history --json -u "$USER_A" -s "$first" && ok && has '.runs | length == 1'
	capture sbx history --json -u "$USER_A" -n 1 && ok && has '.runs | length == 1 and .[0].exec_id == $e' --arg e "$exec"
	capture sbx history --json -u "$USER_A" --since 1h && ok && has '.runs | length == 2'
	until_true 5 sleep 1.1
	capture sbx history --json -u "$USER_A" --since 1 && ok && has '.runs == []'
	request history '{"user":"'$USER_B'","limit":5,"status":"success"}' && ok && has '.runs | length == 1'
	capture sbx history --json -u nobody-yet && ok && has '.runs == []'
	capture sbx history -u "$USER_A"
	equals "$(wc -l <"$TMP/.out")" 2
	head -n 1 "$TMP/.out" | grep -qE "^[0-9TZ:.-]{24}  $exec  success +bash +[0-9]+ ms$"
}

@test "wrong filters and ids are refused" {
	request history '{"session":"x"}' && refused E_REQUEST /session
	request history '{"limit":0}' && refused E_REQUEST /limit
	request history '{"nonsense":1}' && refused E_REQUEST /nonsense
	capture sbx history --since soon
	refused_words 2 since
	capture sbx history word
	[ "$status" -eq 2 ]
	capture sbx show
	[ "$status" -ne 0 ]
	request show '{"exec":["x"]}' && refused E_REQUEST /exec/0
	request show '{"exec":[]}' && ! ok >/dev/null
	request show '{"exec":["'$ABSENT'"]}' && refused E_NOT_FOUND
	capture sbx show "$ABSENT"
	refused_words 66 'no such run'
}

@test "a receipt has code, inputs and outputs by hash, the rules in force, and what was used" {
	local exec
	upload in.txt hello
	request exec "$(in_session '{"lang":"bash","code":"tr a-z A-Z <in.txt >out.txt; echo said; echo oops >&2","args":["x"],"stdin":"typed","limits":{"wall_ms":9000}}')" && ok
	exec=$(jq -r .exec_id <<<"$output")
	capture sbx show --json "$exec" && ok
	has '.run.code_sha256 == $h and (.run | has("code") | not)' --arg h "$(printf 'tr a-z A-Z <in.txt >out.txt; echo said; echo oops >&2' | sha256sum | cut -c1-64)"
	has '.run.inputs == [{id: $i, name: "in.txt", sha256: $h}]' --arg i "$id" --arg h "$(printf hello | sha256sum | cut -c1-64)"
	has '.run.files | length == 1 and .[0].name == "out.txt" and .[0].sha256 == $h' --arg h "$(printf HELLO | sha256sum | cut -c1-64)"
	has '.run | .stdout_sha256 == $h and .stdout_bytes == 5' --arg h "$(echo said | sha256sum | cut -c1-64)"
	has '.run | .stderr_sha256 == $h and .stderr_bytes == 5' --arg h "$(echo oops | sha256sum | cut -c1-64)"
	has '.run.stdin_sha256 == $h' --arg h "$(printf typed | sha256sum | cut -c1-64)"
	has '.run | .base_revision == 1 and .revision == 2 and .committed and .profile == "default" and .lang == "bash" and .args == ["x"]'
	has '.run.profile_sha256 | test("^[0-9a-f]{64}$")'
	has '.run.isolation.seccomp | test("^[a-z]+:[0-9]+:[0-9a-f]+")' # S3-60
	has '.run.limits.wall_ms == 9000 and .run.limits.open_files > 0 and .run.usage.wall_ms >= 0 and .run.timing.total_ms > 0'
	has '.run.time | test("Z$")'
	capture sbx show "$exec"
	grep -qE '^usage/wall_ms +[0-9]+$' "$TMP/.out"
	grep -qE "^exec_id +$exec$" "$TMP/.out"
}

@test "a receipt is found by either form of its id, and only by its user" {
	local exec
	request exec '{"user":"'$USER_A'","lang":"bash","code":"true","id_form":"short"}' && ok
	exec=$(jq -r .exec_id <<<"$output")
	equals "${#exec}" 21
	capture sbx show --json -u "$USER_A" -- "$exec" && ok
	exec=$(jq -r .run.exec_id <<<"$output")
	equals "${#exec}" 36
	capture sbx show --json -u "$USER_A" "$exec" && ok
	capture sbx show --json -u "$USER_B" "$exec" && refused E_NOT_FOUND
}

@test "the profile's hash changes with the profile, not with the run" {
	local before
	hash() { run_as "$USER_A" bash true && capture sbx show --json -u "$USER_A" "$(jq -r .exec_id <<<"$output")" && jq -r .run.profile_sha256 "$TMP/.out"; }
	before=$(hash)
	equals "$(hash)" "$before"
	profile default '{"extends":"strict","limits":{"wall_ms":5000},"seccomp":"base"}'
	[ "$(hash)" != "$before" ]
}

@test "the code itself is kept only when the configuration says so" {
	config '{"keep_code":true}'
	request exec '{"lang":"bash","code":"echo \"kept\"\n"}' && ok
	capture sbx show --json "$(jq -r .exec_id <<<"$output")" && ok
	has '.run.code == "echo \"kept\"\n"'
}

@test "what a run printed or named forges no line and no member" {
	local exec
	request exec '{"lang":"python","code":"import os\nfor n in [\"a\\\",\\\"status\\\":\\\"x\", \"e\\u001b[31m\", \"nl\\n{}\"]:\n  open(n,\"w\").write(\"x\")\nprint(\"\\n{\\\"time\\\":1}\\u001b[2J\")\n"}' && ok
	exec=$(jq -r .exec_id <<<"$output")
	equals "$(cat "$SBX_STATE"/history/*/*.jsonl | wc -l)" 1
	capture sbx show --json "$exec" && ok && has '.run.status == "success" and (.run.files | length >= 1)'
	capture sbx show "$exec"
	run ! grep -P '[\x00-\x09\x0b-\x1f\x7f-\xff]' "$TMP/.out"
	capture sbx history
	equals "$(wc -l <"$TMP/.out")" 1
	run ! grep -P '[\x00-\x09\x0b-\x1f\x7f]' "$TMP/.out"
}

@test "a line that a killed writer left unfinished hides no other" {
	run_as "$USER_A" bash true
	printf '{"time":"2026-01-01T00:00:00.000Z","exec_id":"' >>"$(echo "$SBX_STATE/history/$USER_A"/*.jsonl)"
	run_as "$USER_A" bash false
	capture sbx history --json -u "$USER_A" && ok && has '[.runs[].status] == ["error", "success"]'
}

@test "history leaves after its time, month by month, with gc" { # S0-73
	local old new
	run_as "$USER_A" bash true
	old=$SBX_STATE/history/$USER_A/2020-01.jsonl
	new=$(echo "$SBX_STATE/history/$USER_A"/20*.jsonl)
	cp "$new" "$old"
	sed 's/2020/2019/' "$old" >"$SBX_STATE/history/$USER_A/not-a-month.jsonl"
	mkdir "$SBX_STATE/history/$USER_B" && cp "$new" "$SBX_STATE/history/$USER_B/2019-12.jsonl"
	capture sbx gc --json && ok && has '.history_months == 0'
	[ -e "$old" ]
	config '{"history_ttl_days":90}'
	capture sbx gc --json --dry-run && ok && has '.history_months == 2'
	[ -e "$old" ]
	capture sbx gc --json && ok && has '.history_months == 2'
	[ ! -e "$old" ] && [ -e "$new" ] && [ -e "$SBX_STATE/history/$USER_A/not-a-month.jsonl" ]
	[ ! -e "$SBX_STATE/history/$USER_B/2019-12.jsonl" ]
}

@test "many runs at once leave a receipt each" {
	local i
	for i in $(seq 6); do
		sbx exec -u "$USER_A" --json -l bash -c "exit $i" >/dev/null &
	done
	wait
	capture sbx history --json -u "$USER_A" && ok && has '[.runs[].exit_code] | sort == [1, 2, 3, 4, 5, 6]'
}
