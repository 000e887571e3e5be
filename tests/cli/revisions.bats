#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
load ../helpers

three() { # revision 1: a b c; 2: a changed, b gone, d made
	request upload '{"files":[{"name":"a","content":"1"},{"name":"b","content":"2"},{"name":"c","content":"3"}]}'
	ok
	session=$(jq -r .session "$TMP/.out")
	python 'import os; open("a","w").write("A"); os.remove("b"); open("d","w").write("D")' "$(in_session)"
	ok
}

@test "diff tells what was created, modified and deleted" {
	three
	request diff "$(in_session)"
	ok
	has '.from == 1 and .to == 2 and (.files | map([.name, .change])) == [["a","modified"],["b","deleted"],["d","created"]]'
	has '.files[0].from | length == 36'
	request diff "$(in_session '{"from":0,"to":1}')"
	ok
	has '.files | map(.change) | unique == ["created"]'
	request diff "$(in_session '{"from":2,"to":1}')"
	has '.files | map([.name, .change]) == [["a","modified"],["b","created"],["d","deleted"]]'
	request diff "$(in_session '{"from":1,"to":9}')"
	refused E_NOT_FOUND
	capture sbx diff -s "$session"
	equals "$output" $'~ a\n- b\n+ d'
}

@test "undo brings the content of the revision before back as a new one, and can be undone" {
	three
	request undo "$(in_session)"
	ok
	has '.revision == 3 and .restored == 1 and .files == 3'
	equals "$(names | tr '\n' ' ')" "a b c "
	equals "$(content_of a)" 1
	request undo "$(in_session)"
	ok
	equals "$(names | tr '\n' ' ')" "a c d "
	equals "$(content_of a)" A
	request undo "$(in_session '{"revision":1}')"
	ok
	equals "$(content_of b)" 2
	request undo "$(in_session '{"revision":77}')"
	refused E_NOT_FOUND
}

@test "the first revision can be undone to nothing" {
	upload a x
	request undo "$(in_session)"
	ok
	equals "$(names)" ""
	request undo "$(in_session)"
	ok
	equals "$(names)" a
}

@test "an empty session has nothing to undo" {
	python 1
	session=$(jq -r .session "$TMP/.out")
	request undo "$(in_session)"
	refused E_NOT_FOUND
}

@test "fork makes a session of its own from a revision" {
	three
	local first=$session
	request fork "$(in_session)"
	ok
	has '.from == $s and .session != $s and .revision == 1 and .files == 3' --arg s "$first"
	session=$(jq -r .session "$TMP/.out")
	equals "$(names | tr '\n' ' ')" "a c d "
	equals "$(content_of a)" A
	python 'open("a","w").write("forked")' "$(in_session)"
	ok
	equals "$(content_of a)" forked
	session=$first
	equals "$(content_of a)" A
	request fork "$(in_session '{"revision":1}')"
	ok
	session=$(jq -r .session "$TMP/.out")
	equals "$(names | tr '\n' ' ')" "a b c "
	request rm "{\"session\":\"$first\",\"whole_session\":true}"
	ok
	equals "$(content_of b)" 2
}

@test "a fork has ids of its own" {
	upload a x
	local old=$id
	request fork "$(in_session)"
	ok
	session=$(jq -r .session "$TMP/.out")
	request ls "$(in_session)"
	has '.files[0].id != $i' --arg i "$old"
	request stat "{\"id\":\"$(jq -r '.files[0].id' "$TMP/.out")\"}"
	ok
	has '.session == $s' --arg s "$session"
}

@test "a fork of what is absent or foreign is refused" {
	upload a x "{\"user\":\"$USER_A\"}"
	local foreign absent
	request fork "{\"user\":\"$USER_B\",\"session\":\"$session\"}"
	refused E_NOT_FOUND
	foreign=$output
	request fork "{\"user\":\"$USER_B\",\"session\":\"$ABSENT\"}"
	refused E_NOT_FOUND
	equals "$output" "$foreign"
	request sessions "{\"user\":\"$USER_B\"}"
	has '.sessions == []'
}
