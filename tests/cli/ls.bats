#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
load ../helpers

@test "ls lists files by name with id, size, type, hash, origin and time" { # S1-04, S1-32, S1-34
	upload b.txt 22
	upload a/c.csv 1,2 "$(in_session)"
	python 'open("z.txt","w").write("zzz")' "$(in_session)"
	request ls "$(in_session)"
	ok
	has '.revision == 3 and (.files | map(.name)) == ["a/c.csv","b.txt","z.txt"]'
	has '.files | map(.origin) == ["upload","upload","run"]'
	has '.files | map(.size) == [3,2,3]'
	has '.files | all((.sha256 | length == 64) and (.id | length == 36) and (.mime | contains("/")) and (.created | endswith("Z")))'
	has '.files[2].exec_id | length == 36'
}

@test "an older revision is still to be seen" {
	upload a 1
	upload b 2 "$(in_session)"
	request ls "$(in_session '{"revision":1}')"
	ok
	has '.revision == 1 and (.files | map(.name)) == ["a"]'
	request ls "$(in_session '{"revision":9}')"
	refused E_NOT_FOUND
	request ls "$(in_session '{"revision":0}')"
	refused E_REQUEST /revision
}

@test "ls needs a session in JSON, and in a shell says how to make one" {
	request ls '{}'
	refused E_REQUEST /session
	capture sbx ls
	refused_words 66 'no session yet'
	grep -q upload <<<"$errors"
	upload a x
	capture sbx ls -s "$session"
	equals "$status" 0
	grep -q ' a$' <<<"$output"
}

@test "the manifest and other private files are no files of the session" { # S1-32
	upload a x
	request ls "$(in_session)"
	has '.files | map(.name) == ["a"]'
	python 'import os; print(sorted(os.listdir(".")))' "$(in_session)"
	has '.stdout == "['"'a'"']\n"'
}

@test "sessions lists those of the user and of no other" { # S0-20
	upload a 1 "{\"user\":\"$USER_A\"}"
	local one=$session
	upload a 22 "{\"user\":\"$USER_A\"}"
	local two=$session
	upload a 3 "{\"user\":\"$USER_B\"}"
	request sessions "{\"user\":\"$USER_A\"}"
	ok
	has '(.sessions | map(.session) | sort) == ([$a, $b] | sort)' --arg a "$one" --arg b "$two"
	has '.sessions | all(.revision == 1 and .files == 1 and (.used | endswith("Z")))'
	has '(.sessions | map(.bytes) | add) == 3'
	request sessions '{"user":"nobody-yet"}'
	ok
	has '.sessions == []'
}

@test "looking at the sessions does not count as using them" {
	upload a 1
	touch -d '2 days ago' "$SBX_STORAGE"/*/"$session"/.session.json
	request sessions '{}'
	ok
	local used
	used=$(jq -r '.sessions[0].used' "$TMP/.out")
	request sessions '{}'
	has '.sessions[0].used == $u' --arg u "$used"
}

@test "stat tells about a file by its id alone, in either form" {
	upload a.txt hello
	request stat "{\"id\":\"$id\"}"
	ok
	has '.id == $i and .name == "a.txt" and .size == 5 and .session == $s' --arg i "$id" --arg s "$session"
	request ls "$(in_session '{"id_form":"short"}')"
	local short
	short=$(jq -r '.files[0].id' "$TMP/.out")
	request stat "{\"id\":\"$short\"}"
	ok
	has '.id == $i' --arg i "$id"
	capture sbx stat "$id"
	equals "$status" 0
	grep -q hello <<<"$output" && false
	request stat '{}'
	refused E_REQUEST /id
	request stat "{\"id\":\"$ABSENT\"}"
	refused E_NOT_FOUND
	request stat '{"id":"a.txt"}'
	refused E_NOT_FOUND
}

@test "a thousand files are listed in order" {
	request upload "$(jq -cn '{files: [range(1000) | {name: "f\(.)", content: "\(.)"}]}')"
	ok
	session=$(jq -r .session "$TMP/.out")
	request ls "$(in_session)"
	ok
	has '(.files | length) == 1000 and (.files | map(.name)) == (.files | map(.name) | sort)'
}
