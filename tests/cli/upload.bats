#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
load ../helpers

@test "an upload answers with ids, and the bytes lie where the layout says" { # S0-14, S0-17, S0-18, S1-01, S1-33, S1-30
	request upload "$(jq -cn --arg u $USER_A '{user: $u, files: [{name: "Sales Q3.CSV", content: "a,b\n"}]}')"
	ok
	has 'keys == (["v","ok","user","session","revision","files"] | sort)'
	has '.user == $u and .revision == 1 and (.files | length == 1)' --arg u $USER_A
	has '.files[0] | .name == "Sales Q3.CSV" and .size == 4 and .origin == "upload" and .read_only == false'
	has '.files[0] | (keys - ["created","id","mime","name","origin","read_only","sha256","size"]) == []'
	has '.files[0].sha256 == $h' --arg h "$(printf 'a,b\n' | sha256sum | cut -d' ' -f1)"
	has '.files[0].created | test("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}[.][0-9]{3}Z$")'
	local path
	path="$SBX_STORAGE/$USER_A/$(jq -r .session "$TMP/.out")/$(jq -r '.files[0].id' "$TMP/.out").csv"
	equals "$(<"$path")" a,b
	equals "$(stat -c %a "$path")" 600
	equals "$(stat -c %a "$SBX_STORAGE/$USER_A")" 700
}

@test "contents come as text, base64, a path or a descriptor" {
	printf 'from\0path' >f.bin
	printf 'from fd' >g.bin
	exec 7<g.bin
	request upload "$(jq -cn --arg p "$PWD/f.bin" '{files: [{name: "t", content: "téxt"},
		{name: "b", content_base64: "AAEC/w=="}, {name: "p", path: $p}, {path: $p}, {name: "d", fd: 7}]}')"
	exec 7<&-
	ok
	session=$(jq -r .session "$TMP/.out")
	has '.files | map([.name, .size]) == [["t",5],["b",4],["p",9],["f.bin",9],["d",7]]'
	equals "$(content_of b | od -An -tx1 | tr -d ' \n')" 000102ff
	equals "$(content_of p | od -An -c | tr -d ' \n')" 'from\0path'
	equals "$(content_of d)" "from fd"
}

@test "a pipe as descriptor is read to its end" {
	exec 7< <(head -c 3000000 /dev/zero)
	request upload '{"files":[{"name":"z","fd":7}]}'
	exec 7<&-
	ok
	has '.files[0].size == 3000000'
}

@test "in the shell files, - with --name, and the last session" {
	echo one >a.txt
	echo two >'b c.txt'
	capture sbx upload a.txt 'b c.txt'
	equals "$status" 0
	grep -q 'a.txt$' <<<"$output"
	status=0
	echo three | sbx upload --name in/c.txt - >/dev/null || status=$?
	equals "$status" 0
	capture sbx ls --json
	ok
	has '(.files | map(.name)) == ["a.txt","b c.txt","in/c.txt"]'
	has '.revision == 2'
	capture sbx upload -
	refused_words 2 name
	capture sbx upload
	[ "$status" -ne 0 ]
	capture sbx upload no-such-file
	refused_words 66 no-such-file
	capture sbx upload /dev/null
	refused_words 64 regular
}

@test "exactly one source a file" {
	local entry
	for entry in '{"name":"a"}' '{"name":"a","content":"x","content_base64":"eA=="}' '{"name":"a","content":"x","fd":0}' \
		'{"content":"x"}' 1 '"a"' '{"name":"a","content":1}' '{"name":"a","content":"x","extra":1}' \
		'{"name":"a","fd":-1}' '{"name":"a","fd":1.5}' '{"name":"a","fd":99999}'; do
		request upload "{\"files\":[{\"name\":\"ok\",\"content\":\"\"},$entry]}"
		[ "$status" -eq 64 ] || { echo "$entry"; show; false; }
		has '.error.code == "E_REQUEST" and (.error.pointer | startswith("/files/1"))'
	done
	request upload '{"files":[]}'
	refused E_REQUEST /files
	request upload '{}'
	refused E_REQUEST /files
	request upload '{"files":{}}'
	refused E_REQUEST /files
	[ -z "$(find "$SBX_STORAGE" -type f ! -name .usage 2>/dev/null)" ]
}

@test "a descriptor that is not open is an error, not a hang" {
	request upload '{"files":[{"name":"a","fd":777}]}'
	[ "$status" -ne 0 ]
	one_document
	has '.ok == false and (.error.code == "E_REQUEST")'
}

@test "bad base64 is refused" {
	local text
	for text in '!' 'A' 'AA' 'AAA' 'AAAA=' '====' 'AA==AA==x'; do
		request upload "{\"files\":[{\"name\":\"a\",\"content_base64\":\"$text\"}]}"
		refused E_REQUEST
	done
}

@test "an empty file is a file" {
	request upload '{"files":[{"name":"a","content":""},{"name":"b","content_base64":""}]}'
	ok
	has '.files | map(.size) == [0,0]'
}

# --- names ----------------------------------------------------------------------------------------
@test "hostile names are refused and leave no byte" { # S0-28, S1-36, S0-58
	upload base.txt x
	local name sum
	sum=$(store_sum)
	for name in ../x ../../etc/passwd /etc/passwd a/../../b a/.. .. . ./a a//b a/ '' a/./b \
		$'a\nb' $'a\rb' $'a\tb' $'a\x1b]0;t\x07' $'a\x7f' $'a\xc2\x85b' $'a\xe2\x80\xaeb' $'a\xe2\x81\xa6b' $'a\xe2\x80\xa8' \
		"$(printf 'x%.0s' {1..201})" "$(printf 'abcdefghi/%.0s' {1..60})z" "$(printf 'a/%.0s' {1..20})z" \
		"$(printf 'd/%.0s' {1..4000})f"; do
		request upload "$(jq -cn --arg s "$session" --arg n "$name" '{session: $s, files: [{name: $n, content: "x"}]}')"
		refused E_REQUEST || { echo "name: ${name:0:60}"; false; }
		has '.error.pointer | startswith("/files/0")'
	done
	request upload "$(in_session '{"files":[{"name":"a\u0000b","content":"x"}]}')"
	refused E_REQUEST
	request upload "$(in_session)$(printf '{"files":[{"name":"a\xff","content":"x"}]}')"
	refused E_REQUEST
	request upload "$(printf '{"session":"%s","files":[{"name":"a\xff","content":"x"}]}' "$session")"
	refused E_REQUEST
	equals "$(store_sum)" "$sum"
}

@test "a file of the shell whose name is no UTF-8 or has control characters is refused" {
	local name
	name=$(printf 'a\xffb')
	echo x >"$name"
	capture sbx upload "$name"
	[ "$status" -eq 2 ]
	echo x >$'a\nb'
	capture sbx upload $'a\nb'
	[ "$status" -eq 64 ]
	equals "$(wc -l <"$TMP/.err")" 1
	capture sbx upload --name good.txt "$(printf 'a\nb')"
	equals "$status" 0
}

@test "strange but good names are kept as they are" {
	local list=() name
	list=('a b' 'é日本.txt' '-rf' '--help' '.hidden' '...' 'a..b' '$HOME' "q'uote" 'back\slash' '*' 'a:b' '😀.png' "$ABSENT" con.txt
		'tab%09' "$(printf 'x%.0s' {1..200})" "$(printf 'a/%.0s' {1..19})z" 'quote"d')
	request upload "$(printf '%s\0' "${list[@]}" | jq -Rsc '{files: (split("\u0000") | map(select(. != "")) | map({name: ., content: .}))}')"
	ok
	session=$(jq -r .session "$TMP/.out")
	for name in "${list[@]}"; do
		equals "$(content_of "$name")" "$name"
	done
	python 'import os
for d, s, fs in os.walk("."):
    for f in fs:
        p = os.path.normpath(os.path.join(d, f)); assert open(p).read() == p, p
print("good")' "$(in_session)"
	ok
	has '.stdout == "good\n" and .files == []'
}

@test "the stored extension is plain whatever the name" { # S0-17
	request upload '{"files":[{"name":"a.TAR.GZ","content":""},{"name":"b.p/h/p","content":""},{"name":"c.é","content":""},
		{"name":".profile","content":""},{"name":"d.abcdefghijklmnopq","content":""},{"name":"e.","content":""},{"name":"f.a b","content":""}]}'
	ok
	local kinds
	kinds=$(find "$SBX_STORAGE" -type f -name '*.*' ! -name '.*' ! -path '*/.manifest/*' -printf '%f\n' | sed 's/.*[.]//' | sort)
	equals "$(wc -l <<<"$kinds")" 7
	equals "$(grep -cx bin <<<"$kinds")" 6 # all but gz: a long one is none, too
	equals "$(grep -cxvE '[a-z0-9]{1,15}' <<<"$kinds")" 0
}

# --- revisions ------------------------------------------------------------------------------------
@test "the same name again is a new revision with a new id, and the old bytes stay" {
	upload a.txt one
	local first=$id
	upload a.txt two "$(in_session)"
	[ "$id" != "$first" ]
	equals "$revision" 2
	equals "$(content_of a.txt)" two
	request get "$(jq -cn --arg i "$first" --arg o "$TMP/old" '{id: $i, out: $o}')"
	ok
	equals "$(<"$TMP/old")" one
}

@test "a name that is a directory of another takes its place" {
	upload a.txt x
	upload d/e/f.txt 1 "$(in_session)"
	upload d/e 2 "$(in_session)"
	equals "$(names | tr '\n' ' ')" "a.txt d/e "
	upload d/e/g 3 "$(in_session)"
	equals "$(names | tr '\n' ' ')" "a.txt d/e/g "
}

@test "all of a request or none of it" {
	upload a.txt x
	local sum
	sum=$(store_sum)
	request upload "$(in_session '{"files":[{"name":"b","content":"1"},{"name":"c","content":"2"},{"name":"../d","content":"3"}]}')"
	refused E_REQUEST /files/2
	equals "$(store_sum)" "$sum"
	request upload '{"files":[{"name":"b","content":"1"},{"name":"../d","content":"3"}]}'
	refused E_REQUEST
	request sessions '{}'
	has '.sessions | length == 1'
}

@test "the same name twice in a request: the last holds it" {
	request upload '{"files":[{"name":"a","content":"1"},{"name":"a","content":"2"}]}'
	ok
	session=$(jq -r .session "$TMP/.out")
	equals "$(content_of a)" 2
	equals "$(names)" a
}

# --- size and quota -------------------------------------------------------------------------------
@test "size and size_max are held to while it streams" { # S0-67, S0-65
	request upload '{"files":[{"name":"a","content":"12345","size":5}]}'
	ok
	session=$(jq -r .session "$TMP/.out")
	local sum
	sum=$(store_sum)
	request upload "$(in_session '{"files":[{"name":"b","content":"12345","size":4}]}')"
	refused E_REQUEST /files/0
	request upload "$(in_session '{"files":[{"name":"b","content":"12345","size_max":4}]}')"
	refused E_QUOTA /files/0
	exec 7< <(head -c 100000000 /dev/zero)
	request upload "$(in_session '{"files":[{"name":"b","fd":7,"size_max":1000000}]}')"
	exec 7<&-
	refused E_QUOTA /files/0
	equals "$(store_sum)" "$sum"
}

@test "upload_bytes bounds one file" {
	config '{"upload_bytes":1000}'
	upload a "$(printf 'x%.0s' {1..1000})"
	local sum
	sum=$(store_sum)
	request upload "$(in_session "{\"files\":[{\"name\":\"b\",\"content\":\"$(printf 'x%.0s' {1..1001})\"}]}")"
	refused E_QUOTA /files/0
	has '.error.message | contains("upload_bytes")'
	exec 7< <(yes)
	request upload "$(in_session '{"files":[{"name":"b","fd":7}]}')"
	exec 7<&-
	refused E_QUOTA /files/0
	equals "$(store_sum)" "$sum"
}

@test "session_bytes and session_files bound a session" {
	config '{"session_bytes":100,"session_files":3}'
	upload a "$(printf 'x%.0s' {1..60})"
	local sum
	sum=$(store_sum)
	request upload "$(in_session "{\"files\":[{\"name\":\"b\",\"content\":\"$(printf 'x%.0s' {1..41})\"}]}")"
	refused E_QUOTA
	has '.error.message | contains("session_bytes")'
	equals "$(store_sum)" "$sum"
	request upload "$(in_session '{"files":[{"name":"b","content":""},{"name":"c","content":""},{"name":"d","content":""}]}')"
	refused E_QUOTA
	has '.error.message | contains("session_files")'
	equals "$(store_sum)" "$sum"
	upload b "$(printf 'x%.0s' {1..40})" "$(in_session)"
}

@test "user_bytes bounds all sessions of a user, removal gives room again, others have their own" {
	config '{"user_bytes":100}'
	upload a "$(printf 'x%.0s' {1..60})" "{\"user\":\"$USER_A\"}"
	local first=$session sum
	sum=$(store_sum)
	request upload "{\"user\":\"$USER_A\",\"files\":[{\"name\":\"b\",\"content\":\"$(printf 'x%.0s' {1..41})\"}]}"
	refused E_QUOTA
	has '.error.message | contains("user_bytes")'
	equals "$(store_sum)" "$sum"
	upload b "$(printf 'x%.0s' {1..100})" "{\"user\":\"$USER_B\"}"
	request rm "{\"user\":\"$USER_A\",\"session\":\"$first\",\"whole_session\":true}"
	ok
	upload b "$(printf 'x%.0s' {1..100})" "{\"user\":\"$USER_A\"}"
}

@test "user_sessions bounds the number of sessions" {
	config '{"user_sessions":3}'
	upload a 1
	upload a 2
	upload a 3
	request upload '{"files":[{"name":"a","content":"4"}]}'
	refused E_QUOTA
	has '(.error.message | contains("user_sessions")) and (.error.hint | contains("gc"))'
	python 1
	refused E_QUOTA
	request rm "$(in_session '{"whole_session":true}')"
	ok
	upload a 4
}

@test "a quota also bounds what a run leaves, and the others are kept" {
	config '{"user_bytes":1000}'
	python 'open("big","w").write("x"*2000); open("small","w").write("y")'
	ok
	has '(.files | map(.name)) == ["small"] and (.skipped | map(.name)) == ["big"]'
	has '.skipped[0].reason | contains("user_bytes")'
}

@test "a run whose revision a quota refuses gives its bytes back, and leaves no file" {
	config '{"session_files":2}'
	upload a x
	local sum
	sum=$(store_sum)
	python 'for i in range(5): open(f"f{i}", "w").write("x" * 100)' "$(in_session)"
	refused E_QUOTA
	has '.error.message | contains("session_files")'
	equals "$(store_sum)" "$sum"	# the sum of the user's bytes is in it
}

# --- types ----------------------------------------------------------------------------------------
@test "only listed extensions, and the bytes must be what the extension says" { # S0-26, S0-65
	config '{"extensions":["csv","png","txt"]}'
	upload a.csv 'a,b'
	request upload '{"files":[{"name":"a.exe","content":"MZ"}]}'
	refused E_POLICY
	request upload '{"files":[{"name":"a","content":"x"}]}'
	refused E_POLICY
	request upload '{"files":[{"name":"a.png","content":"this is no picture"}]}'
	refused E_POLICY
	request upload "{\"files\":[{\"name\":\"a.csv\",\"content_base64\":\"$(head -c 4096 /bin/true | base64 -w0)\"}]}"
	refused E_POLICY
	request upload '{"files":[{"name":"a.png","content_base64":"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="}]}'
	ok
	has '.files[0].mime == "image/png"'
}

@test "the type is told by the bytes" {
	request upload '{"files":[{"name":"a.bin","content_base64":"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="},
		{"name":"b.csv","content":"a,b\n1,2\n"},{"name":"c.json","content":"{}"}]}'
	ok
	has '.files | map(.mime) == ["image/png","text/csv","application/json"]'
}

@test "a user name must be an ObjectId when the configuration says so" { # S0-15
	config '{"user_object_id":true}'
	request upload "{\"user\":\"$USER_A\",\"files\":[{\"name\":\"a\",\"content\":\"x\"}]}"
	ok
	local name
	for name in alice 65f1c0ffee65f1c0ffee65f 65f1c0ffee65f1c0ffee65f11 65f1c0ffee65f1c0ffee65fg; do
		request upload "{\"user\":\"$name\",\"files\":[{\"name\":\"a\",\"content\":\"x\"}]}"
		refused E_REQUEST /user
	done
}

@test "what is uploaded is on the disk: the file, the index and the revision are synced" {
	command -v strace >/dev/null || lacking strace
	config '{"fsync":true}'
	echo x >a.txt
	strace -f -e trace=fsync,fdatasync,linkat -o "$TMP/trace" "$BUILD/sbx" upload a.txt >/dev/null || lacking "strace of a process"
	[ "$(grep -c fsync "$TMP/trace")" -ge 5 ]
	config '{"fsync":false}'
	strace -f -e trace=fsync,fdatasync -o "$TMP/trace" "$BUILD/sbx" upload a.txt >/dev/null
	equals "$(grep -c 'sync(' "$TMP/trace")" 0
}
