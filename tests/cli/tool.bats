#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# tool: the named tools of a profile, each a language with what stands around the code.
load ../helpers

tools() {
	profile mine '{"extends":"default","tools":{
		"shout":{"description":"Prints it\nloudly.","lang":"bash","before":"say() { printf \"%s!\\n\" \"$*\"; }\n","after":"\nsay after \"$@\"","args":["fixed"]},
		"py":{"lang":"python"}}}'
}

@test "the tools of a profile are listed" {
	tools
	capture sbx tool --json -p mine && ok
	has '.profile == "mine" and [.tools[].name] == ["shout", "py"] and .tools[0].lang == "bash" and .tools[1].description == null'
	request tool '{"profile":"mine"}' && ok && has '.tools | length == 2'
	capture sbx tool -p mine
	grep -qE '^shout +bash +Prints it\?loudly\.$' "$TMP/.out"
	grep -qE '^py +python +$' "$TMP/.out"
	equals "$(wc -l <"$TMP/.out")" 2
	capture sbx tool --json -p default && ok && has '.tools == []'
}

@test "a tool runs its code between what stands around it, with its arguments first" {
	tools
	request tool '{"profile":"mine","name":"shout","code":"say code; echo x >made.txt","args":["own"]}' && ok
	has '.tool == "shout" and .status == "success" and .stdout == "code!\nafter fixed own!\n" and .files[0].name == "made.txt"'
	session=$(jq -r .session <<<"$output")
	request tool "$(in_session '{"profile":"mine","name":"py","code":"print(open(\"made.txt\").read())"}')" && ok && has '.stdout == "x\n\n"'
	printf 'say file' >code.sh
	capture sbx tool -p mine -a more shout code.sh
	equals "$output" "$(printf 'file!\nafter fixed more!')"
	status=0
	output=$(printf 'say stdin' | sbx tool -p mine shout - 2>/dev/null) || status=$?
	equals "$output" "$(printf 'stdin!\nafter fixed!')"
	capture sbx tool -p mine -c 'exit 7' shout
	equals "$status" 7
}

@test "what is no tool, and what has no code, is refused" {
	tools
	request tool '{"profile":"mine","name":"none","code":""}' && refused E_POLICY /name
	request tool '{"profile":"mine","name":"../py","code":""}' && refused E_POLICY /name
	request tool '{"profile":"mine","name":"py"}' && refused E_REQUEST /code
	request tool '{"profile":"no-such"}' && ! ok >/dev/null
	request tool '{"profile":"mine","name":"py","code":"1","file":"x"}' && refused E_REQUEST /file
	capture sbx tool -p mine py
	refused_words 2 code
	capture sbx tool -p mine py none.py
	refused_words 66 none.py
	capture sbx tool -p mine -c x py code.sh
	refused_words 2 'at once'
	printf 'a\0b' >nul.sh
	capture sbx tool -p mine shout nul.sh
	refused_words 64 'no text'
	{ echo 'print("begin")' && head -c 1048577 /dev/zero | tr '\0' '#'; } >long.py
	capture sbx tool -p mine py long.py
	refused_words 64 'larger than 1048576 bytes'
	request tool '{"profile":"mine","name":"py","code":"1","session":"'$ABSENT'"}' && refused E_NOT_FOUND
}

@test "a tool of a language that the profile has not is a fault of the profile or refused, never run" {
	profile bad '{"extends":"default","tools":{"x":{"lang":"cobol"},"y":{"nonsense":1},"z":{}}}'
	request tool '{"profile":"bad","name":"x","code":"1"}'
	[ "$status" -ne 0 ]
	request tool '{"profile":"bad","name":"y","code":"1"}' && refused E_CONFIG
	request tool '{"profile":"bad","name":"z","code":"1"}' && refused E_CONFIG
}
