#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
load ../helpers

# --- the answer -----------------------------------------------------------------------------------
@test "an answer has exactly the members of the design and the documented ones" { # S0-05
	python 'open("out.txt","w").write("x"); print(1)'
	ok
	has 'keys == (["v","ok","exec_id","user","session","revision","committed","status","exit_code","signal",
		"limits_hit","stdout","stderr","stdout_bytes","stderr_bytes","stdout_truncated","stderr_truncated",
		"files","skipped","usage","timing","limits","isolation","blocked","start","lang","lang_version",
		"profile"] | sort)'
	has '(.usage | keys) == (["wall_ms","cpu_ms","throttled_ms","memory_peak_bytes","processes_peak","scratch_bytes","exact"] | sort)'
	has '(["wait_ms","stage_ms","jail_ms","run_ms","collect_ms","total_ms"] - (.timing | keys)) == []'
	has '(["method","namespaces","seccomp","landlock","cgroup","caps","no_new_privs","groups","workspace"]
		- (.isolation | keys)) == []'
	has '(.files[0] | keys) == (["id","name","size","mime","sha256","change"] | sort)'
}

@test "python prints and its answer tells how it went" { # S0-05, S1-02, S4-12
	python 'print(6*7)'
	ok
	has '.status == "success" and .exit_code == 0 and .signal == null and .stdout == "42\n" and .stderr == ""'
	has '.stdout_bytes == 3 and .stderr_bytes == 0 and .limits_hit == [] and .skipped == [] and .files == []'
	has '.lang == "python" and (.lang_version | test("^[0-9]+[.]")) and .profile == "default" and .start == "cold"'
	has '.committed == true and .revision == 0'
	has '.exec_id | test("^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")'
}

@test "javascript runs the same way" { # S0-06, S4-13
	needs node
	run_code javascript 'console.log([1,2,3].map(x => x * 2).join())'
	ok
	has '.status == "success" and .stdout == "2,4,6\n" and .lang == "javascript" and (.lang_version | test("[0-9]"))'
}

@test "javascript may await at the top, import and require" {
	needs node
	run_code js 'const v = await Promise.resolve(7); console.log(v)'
	ok
	has '.stdout == "7\n"'
	run_code js 'const fs = require("fs"); console.log(typeof fs.readFileSync)'
	ok
	has '.stdout == "function\n"'
	run_code js 'import fs from "node:fs"; console.log(typeof fs.readFileSync)'
	ok
	has '.stdout == "function\n"'
}

@test "typescript runs where esbuild is" { # S1-07
	[ -x /usr/bin/esbuild ] || lacking esbuild
	run_code ts 'const n: number = 5; console.log(n)'
	ok
	has '.stdout == "5\n" and .lang == "typescript"'
}

@test "a language whose run-time is absent is a typed error with a remedy" { # S4-85
	profile gone '{"extends":"default","languages":{"nolang":{"file":"a.x","run":["/usr/bin/no-such-runtime","{file}"]}}}'
	run_code nolang 'x' '{"profile":"gone"}'
	refused E_RUNTIME
	has '.error.message | contains("/usr/bin/no-such-runtime")'
	has '.error.hint | length > 0'
}

@test "bash runs" { # S4-14
	bash_code 'echo "hello $((1+1))"; echo oops >&2'
	ok
	has '.stdout == "hello 2\n" and .stderr == "oops\n" and .lang == "bash"'
}

@test "aliases are understood and answers print the long name" { # S3-04
	run_code py 'print(1)'
	ok
	has '.lang == "python"'
	run_code sh 'true'
	ok
	has '.lang == "bash"'
}

@test "argv runs a command without a language" { # S3-04, S3-58
	request exec '{"argv":["echo","a b","$HOME"]}'
	ok
	has '.stdout == "a b $HOME\n" and .lang == null and .lang_version == null'
	request exec '{"argv":["/usr/bin/env","true"]}'
	ok
}

@test "args reach the program, empty ones and ones with blanks too" {
	python 'import sys; print(sys.argv[1:])' '{"args":["a","","b c","--x","é"]}'
	ok
	has '.stdout == "['"'a', '', 'b c', '--x', 'é'"']\n"'
	request exec '{"argv":["printf","%s|"],"args":["1","2"]}'
	ok
	has '.stdout == "1|2|"'
}

@test "stdin reaches the program, whatever its size" {
	request exec "$(jq -cn '{lang: "python", code: "import sys; d=sys.stdin.read(); print(len(d), d[-3:])",
		stdin: (("x" * 3000000) + "end")}')"
	ok
	has '.stdout == "3000003 end\n"'
	python 'import sys; print(repr(sys.stdin.read()))'
	ok
	has '.stdout == "'"''"'\n"'
}

@test "env reaches the program, and what the profile fixes is refused" {
	python 'import os; print(os.environ["K"], os.environ["_x1"])' '{"env":{"K":"v=1 2","_x1":""}}'
	ok
	has '.stdout == "v=1 2 \n"'
	python 1 '{"env":{"PATH":"/x"}}'
	refused E_POLICY /env/PATH
	for name in '' 1a a-b 'a b' é; do
		python 1 "$(jq -cn --arg n "$name" '{env: {($n): "v"}}')"
		refused E_REQUEST /env
	done
	python 1 "$(jq -cn '{env: ([range(65) | {("A\(.)"): "v"}] | add)}')"
	refused E_REQUEST /env
	python 1 "$(jq -cn '{env: {A: ("x" * 32768)}}')"
	refused E_REQUEST /env
	python 1 "$(jq -cn '{env: ([range(64) | {("A\(.)"): ("x" * 500)}] | add)}')"
	ok
}

@test "a variable's name may hold no equals sign" {
	python 1 '{"env":{"a=b":"v"}}'
	refused E_REQUEST /env
}

# --- statuses -------------------------------------------------------------------------------------
@test "a non-zero exit is an answer, ok, with status error" {
	python 'import sys; print("x"); sys.exit(3)'
	ok
	has '.status == "error" and .exit_code == 3 and .signal == null and .stdout == "x\n"'
}

@test "a death by signal is told by its number" {
	python 'import os, signal; os.kill(os.getpid(), signal.SIGSEGV)'
	ok
	has '.status == "signal" and .signal == 11 and .exit_code == null'
	bash_code 'kill -TERM $$'
	ok
	has '.status == "signal" and .signal == 15'
}

@test "an exception is on stderr with exit status 1" {
	python 'raise ValueError("no")'
	ok
	has '.status == "error" and .exit_code == 1 and (.stderr | contains("ValueError: no"))'
}

@test "a command that does not exist is a typed error" {
	request exec '{"argv":["no-such-command-here"]}'
	refused E_RUNTIME
	request exec '{"argv":["/usr/bin/no-such-command-here"]}'
	refused E_RUNTIME
	request exec '{"argv":["/etc/passwd"]}'
	refused E_RUNTIME
}

# --- the shell form -------------------------------------------------------------------------------
@test "a file runs by its extension and returns like the program" { # S0-04
	echo 'import sys; print("hi", sys.argv[1:]); sys.exit(4)' >hello.py
	capture sbx exec hello.py one --two
	equals "$status" 4
	equals "$output" "hi ['one', '--two']"
	[ -z "$errors" ]
	echo 'echo from-bash "$1"' >x.sh
	capture sbx exec x.sh arg
	equals "$status:$output" "0:from-bash arg"
}

@test "javascript by extension" {
	needs node
	for ext in js cjs; do
		echo 'console.log("n", process.argv.slice(2).join())' >"a.$ext"
		capture sbx exec "a.$ext" q
		equals "$status:$output" "0:n q"
	done
}

@test "an unknown extension is a usage error with a hint, and --lang helps" {
	echo 'print(1)' >thing.xyz
	capture sbx exec thing.xyz
	refused_words 125 'lang'
	capture sbx exec --lang python thing.xyz
	equals "$status:$output" "0:1"
}

@test "-c with --lang, and a command behind --" { # S3-04, S3-58
	capture sbx exec --lang python -c 'print(5)'
	equals "$status:$output" "0:5"
	capture sbx exec -- sh -c 'echo $1; exit 7' sh word
	equals "$status:$output" "7:word"
}

@test "the program's output goes through live, each on its own" {
	capture sbx exec -- sh -c 'echo out; echo err >&2'
	equals "$status" 0
	equals "$output" out
	equals "$errors" err
}

@test "live output comes before the program's end" {
	mkfifo fifo
	timeout 60 "$BUILD/sbx" exec -- sh -c 'echo first; read -r x; echo "second $x"' <fifo >live 2>&1 &
	local pid=$!
	exec 9>fifo
	until_true 30 grep -q first live
	echo go >&9
	exec 9>&-
	wait $pid
	equals "$(tail -n 1 live)" "second go"
}

@test "124 for a timeout and 137 for a limit, and stderr says which" {
	capture sbx exec --wall 300ms -- sleep 20
	equals "$status" 124
	grep -q timeout <<<"$errors"
	capture sbx exec --memory 64M --lang python -c 'import time
x = []
for i in range(100): x.append(b"x" * (2 << 20)); time.sleep(0.02)'
	[ "$status" -eq 137 ] || { show; false; }
	grep -q memory_limit <<<"$errors"
}

@test "128 and the number for a signal" {
	capture sbx exec -- sh -c 'kill -ABRT $$'
	equals "$status" 134
	capture sbx exec -- sh -c 'kill -KILL $$'
	equals "$status" 137
}

@test "125 when sbx itself failed" {
	capture sbx exec -- no-such-command-at-all
	refused_words 125 no-such-command-at-all
	capture sbx exec --profile nosuch --lang python -c 1
	refused_words 125 nosuch
	capture sbx exec no-such-file.py
	refused_words 125 no-such-file.py
}

@test "a pipe and a file feed the program in the shell form" {
	printf 'a\nb\n' >in.txt
	status=0
	output=$(printf 'x\ny\n' | sbx exec -- wc -l) || status=$?
	equals "$status:${output// /}" "0:2"
	capture sbx exec --stdin in.txt -- cat
	equals "$output" $'a\nb'
	status=0
	output=$(sbx exec -- cat <in.txt) || status=$?
	equals "$output" $'a\nb'
}

@test "--json makes the answer of the shell form JSON" {
	capture sbx exec --json --lang python -c 'print(1)'
	ok
	has '.stdout == "1\n"'
	capture sbx exec --json --lang python -c 'import sys; sys.exit(3)'
	ok
	has '.exit_code == 3'
}

@test "without options and with a request on stdin it speaks JSON" { # S4-39
	status=0
	output=$(echo '{"lang":"python","code":"print(6*7)"}' | sbx exec) || status=$?
	echo "$output" >"$TMP/.out"
	errors=
	ok
	has '.stdout == "42\n"'
}

@test "a request may come from a file" { # S4-39
	echo '{"lang":"python","code":"print(1)"}' >r.json
	capture sbx exec --request r.json
	ok
	capture sbx exec --request no-such.json
	refused E_REQUEST
}

# --- sessions -------------------------------------------------------------------------------------
@test "in JSON each request without a session makes one, and the shell goes on with the last" {
	python 'open("a.txt","w").write("1")'
	ok
	local first
	first=$(jq -r .session "$TMP/.out")
	python 'import os; print(os.listdir())'
	ok
	has '.session != $s and .stdout == "[]\n"' --arg s "$first"
	capture sbx exec -- sh -c 'echo 1 >b.txt'
	equals "$status" 0
	capture sbx exec -- ls
	equals "$output" b.txt
}

@test "the user is the login name when none is given" {
	python 1
	ok
	has '.user == $u' --arg u "$(login_name)"
}

@test "ids in the short form work both ways" {
	upload a.txt content
	python 'print(open("a.txt").read())' "$(in_session '{"id_form":"short"}')"
	ok
	has '(.session | length == 21) and (.exec_id | length == 21) and .stdout == "content\n"'
	local short
	short=$(jq -r .session "$TMP/.out")
	request ls "{\"session\":\"$short\"}"
	ok
	has '.session == $s' --arg s "$session"
	python 1 '{"id_form":"long"}'
	refused E_REQUEST /id_form
}

# --- commit ---------------------------------------------------------------------------------------
@test "files are kept when the program ended with 0, and not when it failed" {
	upload a.txt old
	python 'open("a.txt","w").write("new"); open("b.txt","w").write("b"); raise SystemExit(1)' "$(in_session)"
	ok
	has '.committed == false and .revision == 1 and .files == [] and .status == "error"'
	has '(.skipped | map([.name, .reason]) | sort) == [["a.txt","not committed"],["b.txt","not committed"]]'
	equals "$(content_of a.txt)" old
	python 'open("a.txt","w").write("new"); open("b.txt","w").write("b")' "$(in_session)"
	ok
	has '.committed == true and .revision == 2 and (.files | length == 2)'
	equals "$(content_of a.txt)" new
}

@test "commit always keeps what a failed program left, never keeps nothing" {
	python 'open("a.txt","w").write("1"); raise SystemExit(1)' '{"commit":"always"}'
	ok
	has '.committed == true and .revision == 1 and .files[0].name == "a.txt" and .files[0].change == "created"'
	python 'open("b.txt","w").write("1")' "$(jq -c '{session, commit: "never"}' "$TMP/.out")"
	ok
	has '.committed == false and .revision == 1 and .files == [] and .skipped[0].reason == "not committed"'
	python 1 '{"commit":"sometimes"}'
	refused E_REQUEST /commit
}

@test "commit always keeps what a run left that a limit ended" {
	bash_code 'echo 1 >a.txt; sleep 20' '{"commit":"always","limits":{"wall_ms":700}}'
	ok
	has '.status == "timeout" and .committed == true and .files[0].name == "a.txt"'
}

@test "files lists what changed by content, with what it came from" {
	upload keep.txt same
	local old_keep=$id
	request upload "$(in_session '{"files":[{"name":"edit.txt","content":"old"},{"name":"gone.txt","content":"x"}]}')"
	ok
	local old_edit
	old_edit=$(jq -r '.files[0].id' "$TMP/.out")
	python 'import os
open("keep.txt","w").write("same"); os.chmod("keep.txt", 0o600); os.utime("keep.txt", (1, 1))
open("edit.txt","w").write("new"); os.remove("gone.txt"); open("made.csv","w").write("a,b\n")' "$(in_session)"
	ok
	has '(.files | map([.name, .change]) | sort) == [["edit.txt","modified"],["gone.txt","deleted"],["made.csv","created"]]'
	has '.files | map(select(.name == "edit.txt"))[0] | .from == $o and .id != $o and .size == 3' --arg o "$old_edit"
	has '.files | map(select(.name == "made.csv"))[0].sha256 == $h' --arg h "$(printf 'a,b\n' | sha256sum | cut -d' ' -f1)"
	request ls "$(in_session)"
	has '.files | map(select(.name == "keep.txt"))[0].id == $i' --arg i "$old_keep"
	has '.files | map(.name) == ["edit.txt","keep.txt","made.csv"]'
	has '.files | map(select(.name == "made.csv"))[0] | .origin == "run" and (.exec_id | length == 36)'
}

@test "a run that changes nothing makes no revision" {
	upload a.txt x
	python 'print(open("a.txt").read())' "$(in_session)"
	ok
	has '.revision == 1 and .committed == true and .files == []'
	request ls "$(in_session)"
	has '.revision == 1'
}

# --- files ----------------------------------------------------------------------------------------
many() { # a session with a, b, c
	upload a.txt A
	id_a=$id
	request upload "$(in_session '{"files":[{"name":"b.txt","content":"B"},{"name":"d/c.txt","content":"C"}]}')"
	ok
	id_b=$(jq -r '.files[0].id' "$TMP/.out")
	id_c=$(jq -r '.files[1].id' "$TMP/.out")
}
LS='import os
for d, ds, fs in os.walk("."):
    for f in fs: print(os.path.normpath(os.path.join(d, f)), open(os.path.join(d, f)).read())'
seen() { jq -j .stdout "$TMP/.out" | sort | tr '\n' ';'; }

@test "without files the whole revision is there, under its names" { # S0-19, S1-33
	many
	python "$LS" "$(in_session)"
	ok
	equals "$(seen)" "a.txt A;b.txt B;d/c.txt C;"
}

@test "given files are exactly those: by id, by name, as objects, bare" {
	many
	python "$LS" "$(in_session "{\"files\":[\"$id_a\",\"b.txt\",{\"id\":\"$id_c\",\"name\":\"in/x.txt\"}]}")"
	ok
	equals "$(seen)" "a.txt A;b.txt B;in/x.txt C;"
	python "$LS" "$(in_session '{"files":[]}')"
	ok
	equals "$(seen)" ""
	python "$LS" "$(in_session '{"files":[{"name":"d/c.txt"}]}')"
	ok
	equals "$(seen)" "d/c.txt C;"
}

@test "of two equal names the last wins, of a and a/b the later" {
	many
	python "$LS" "$(in_session "{\"files\":[{\"id\":\"$id_a\",\"name\":\"n\"},{\"id\":\"$id_b\",\"name\":\"n\"}]}")"
	ok
	equals "$(seen)" "n B;"
	python "$LS" "$(in_session "{\"files\":[{\"id\":\"$id_a\",\"name\":\"n\"},{\"id\":\"$id_b\",\"name\":\"n/b\"}]}")"
	ok
	equals "$(seen)" "n/b B;"
	python "$LS" "$(in_session "{\"files\":[{\"id\":\"$id_b\",\"name\":\"n/b/c\"},{\"id\":\"$id_c\",\"name\":\"n/x\"},{\"id\":\"$id_a\",\"name\":\"n\"}]}")"
	ok
	equals "$(seen)" "n A;"
}

@test "files of another session of the same user may be mounted by id" {
	upload a.txt A
	local other=$id
	upload b.txt B
	python "$LS" "$(in_session "{\"files\":[\"$other\",\"b.txt\"]}")"
	ok
	equals "$(seen)" "a.txt A;b.txt B;"
}

@test "a missing file fails with its pointer, or is skipped when asked" {
	upload a.txt A
	python "$LS" "$(in_session "{\"files\":[\"a.txt\",\"$ABSENT\"]}")"
	refused E_NOT_FOUND /files/1
	python "$LS" "$(in_session '{"files":["nope.txt"]}')"
	refused E_NOT_FOUND /files/0
	python "$LS" "$(in_session "{\"files\":[\"a.txt\",\"$ABSENT\",{\"name\":\"nope.txt\"}],\"missing\":\"skip\"}")"
	ok
	equals "$(seen)" "a.txt A;"
	has '.skipped | map([.name, .reason]) == [[$i,"not found"],["nope.txt","not found"]]' --arg i "$ABSENT"
	python 1 '{"missing":"perhaps"}'
	refused E_REQUEST /missing
}

@test "a bad name in files is refused with its pointer" {
	upload a.txt A
	local name
	for name in ../x /etc/x a/../b 'a//b' . .. 'a/' $'a\nb' $'a\x1b[31m'; do
		python 1 "$(in_session "$(jq -cn --arg i "$id" --arg n "$name" '{files: [{id: $i, name: $n}]}')")"
		refused E_REQUEST /files/0
	done
	for entry in 1 null '{}' '""' '["a"]' '{"id":"x","nom":"y"}'; do
		python 1 "$(in_session "{\"files\":[$entry]}")"
		[ "$status" -eq 64 ] || { show; false; }
		has '.error.pointer | startswith("/files/0")'
	done
}

@test "changes to a read-only file are discarded, and said" { # S0-27, S1-31
	upload a.txt A '{"read_only":true}'
	python 'open("a.txt","w").write("B"); print(open("a.txt").read())' "$(in_session)"
	ok
	has '.stdout == "B\n" and .files == [] and .revision == 1 and .skipped == [{"name":"a.txt","reason":"read only"}]'
	equals "$(content_of a.txt)" A
	python 'import os; os.remove("a.txt")' "$(in_session)"
	ok
	has '.files == [] and .skipped == [{"name":"a.txt","reason":"read only"}]'
	upload b.txt B
	python 'open("b.txt","w").write("C")' "$(in_session '{"files":[{"name":"b.txt","read_only":true}]}')"
	ok
	has '.files == []'
	equals "$(content_of b.txt)" B
}

@test "a file left out of files is not deleted by that" {
	many
	python 'open("new.txt","w").write("n")' "$(in_session '{"files":["a.txt"]}')"
	ok
	has '.files | map(.name) == ["new.txt"]'
	equals "$(names | tr '\n' ' ')" "a.txt b.txt d/c.txt new.txt "
}

@test "a file under another name in the run is committed under that name" {
	upload a.txt A
	python 'open("copy.txt","a").write("2")' "$(in_session "{\"files\":[{\"id\":\"$id\",\"name\":\"copy.txt\"}]}")"
	ok
	has '.files | map([.name, .from]) == [["copy.txt", $i]]' --arg i "$id"
	equals "$(content_of a.txt)" A
	equals "$(content_of copy.txt)" A2
}

# --- encoding and stream --------------------------------------------------------------------------
@test "output that is no UTF-8 gets U+FFFD, and base64 has the bytes" { # S3-19
	python 'import sys; sys.stdout.buffer.write(b"a\xff\xc3(\x00b"); sys.stderr.buffer.write(b"\xf0\x9f")' '{"encoding":"base64"}'
	ok
	has '.stdout == "a\ufffd\ufffd(\u0000b" and .stderr == "\ufffd\ufffd" and .stdout_bytes == 6'
	equals "$(jq -r .stdout_base64 "$TMP/.out" | base64 -d | od -An -tx1 | tr -d ' \n')" 61ffc3280062
	equals "$(jq -r .stderr_base64 "$TMP/.out" | base64 -d | od -An -tx1 | tr -d ' \n')" f09f
	python 'print(1)'
	has 'has("stdout_base64") | not'
	python 'print(1)' '{"encoding":"latin1"}'
	refused E_REQUEST /encoding
}

@test "stream gives events, start first and result last" {
	request exec '{"lang":"python","code":"import sys\nprint(1, flush=True)\nprint(2, file=sys.stderr)","stream":true}'
	equals "$status" 0
	holds -s 'all(.v == 1 and (.event | type == "string"))' "$TMP/.out" >/dev/null
	holds -s '.[0].event == "start" and .[-1].event == "result"' "$TMP/.out" >/dev/null
	holds -s '(map(select(.event == "stdout").data) | join("")) == "1\n"' "$TMP/.out" >/dev/null
	holds -s '(map(select(.event == "stderr").data) | join("")) == "2\n"' "$TMP/.out" >/dev/null
	holds -s '.[-1].ok and .[-1].status == "success" and .[-1].exec_id == .[0].exec_id' "$TMP/.out" >/dev/null
}

@test "no event splits a character, even one that comes byte by byte" {
	python 'import sys, time
for b in "aé€😀z".encode():
    sys.stdout.buffer.write(bytes([b])); sys.stdout.buffer.flush(); time.sleep(0.02)' '{"stream":true}'
	equals "$status" 0
	holds -s '(map(select(.event == "stdout").data) | join("")) == "aé€😀z"' "$TMP/.out" >/dev/null || { show; false; }
	! grep -q $'\xef\xbf\xbd' "$TMP/.out"
}

@test "a character that never ends is one U+FFFD a byte at the end of the stream" {
	python 'import sys; sys.stdout.buffer.write(b"ok\xe2\x82")' '{"stream":true}'
	equals "$status" 0
	holds -s '(map(select(.event == "stdout").data) | join("")) == "ok\ufffd\ufffd"' "$TMP/.out" >/dev/null || { show; false; }
}

@test "a failure with stream is one error document" {
	python 1 '{"stream":true,"profile":"nosuch"}'
	equals "$status" 66
	holds -s '.[-1].ok == false and .[-1].error.code == "E_NOT_FOUND"' "$TMP/.out" >/dev/null || { show; false; }
}

# --- what is refused ------------------------------------------------------------------------------
@test "unknown, duplicate, mistyped and out-of-range members are refused with a pointer" {
	python 1 '{"nom":1}'
	refused E_REQUEST /nom
	python 1 '{"a/b~c":1}'
	refused E_REQUEST '/a~1b~0c'
	request exec '{"lang":"python","code":"1","code":"2"}'
	refused E_REQUEST
	python 1 '{"args":"x"}'
	refused E_REQUEST /args
	python 1 '{"args":[1]}'
	refused E_REQUEST /args
	python 1 '{"limits":{"wall_ms":"1"}}'
	refused E_REQUEST /limits/wall_ms
	python 1 '{"limits":{"wall_ms":0}}'
	refused E_REQUEST /limits/wall_ms
	python 1 '{"limits":{"wall_ms":1.5}}'
	refused E_REQUEST /limits/wall_ms
	python 1 '{"limits":{"nope":1}}'
	refused E_REQUEST /limits/nope
	python 1 '{"limits":[]}'
	refused E_REQUEST /limits
	python 1 '{"stream":1}'
	refused E_REQUEST /stream
	python 1 '{"session":7}'
	refused E_REQUEST /session
	request exec '{"lang":"python"}'
	refused E_REQUEST /code
	request exec '{"code":"1"}'
	refused E_REQUEST /lang
	request exec '{"lang":"python","code":"1","argv":["x"]}'
	refused E_REQUEST /argv
	request exec '{"argv":[]}'
	refused E_REQUEST /argv
	request exec '{"lang":"python","code":"a\u0000b"}'
	refused E_REQUEST /code
}

@test "members that only options fill are refused in a request" {
	for member in operands file stdin_file; do
		python 1 "{\"$member\":$([ $member = operands ] && echo '["x"]' || echo '"x"')}"
		refused E_REQUEST
	done
}

@test "what is no JSON, no object or more than one document is refused" {
	local text
	for text in '' '{' '[]' '1' 'null' '{"lang":"python","code":"1"} x' '{}{}' $'{"lang":"\xff","code":"1"}'; do
		request exec "$text"
		refused E_REQUEST
	done
}

@test "limits above the profile's are refused with pointer and ceiling" { # S0-10, S0-11
	python 1 '{"limits":{"wall_ms":30001}}'
	refused E_LIMIT /limits/wall_ms
	has '.error.message | contains("30000")'
	python 1 '{"limits":{"memory_bytes":1073741824}}'
	refused E_LIMIT /limits/memory_bytes
	python 1 '{"limits":{"wall_ms":30000,"memory_bytes":268435456}}'
	ok
	has '.limits.wall_ms == 30000 and .limits.memory_bytes == 268435456'
}

@test "a language that the profile has not is refused" { # S0-12
	run_code cobol x
	refused E_POLICY /lang
	has '.error.hint | contains("profile show")'
	python 1 '{"profile":"nosuch"}'
	refused E_NOT_FOUND /profile
	python 1 '{"profile":"../default"}'
	refused E_NOT_FOUND /profile
}

@test "a bad user, a bad session" { # S0-15, S0-16
	local name
	for name in ../x .hidden a/b 'a b' _x -x "$(printf 'a%.0s' {1..65})" é ..; do
		python 1 "$(jq -cn --arg u "$name" '{user: $u}')"
		refused E_REQUEST /user
	done
	for name in x ../.. 11111111-1111-1111-8111-111111111111 "$ABSENT"; do
		python 1 "$(jq -cn --arg s "$name" '{session: $s}')"
		refused E_NOT_FOUND /session
	done
}

@test "a failed request leaves no session behind" {
	python 1 '{"files":["nope"]}'
	refused E_NOT_FOUND
	python 1 '{"limits":{"wall_ms":99999999}}'
	refused E_LIMIT
	run_code cobol x
	request sessions '{}'
	ok
	has '.sessions == []'
}

@test "code of a megabyte runs, more is refused" {
	request exec "$(jq -cn '{lang: "python", code: (("#" * 1000000) + "\nprint(1)")}')"
	ok
	has '.stdout == "1\n"'
	request exec "$(jq -cn '{lang: "python", code: ("#" * 1100000)}')"
	refused E_REQUEST /code
}

@test "the code's own file does not show among the session's files" {
	python 'import os; print(os.listdir("/mnt/data"), os.getcwd())'
	ok
	has '.stdout == "[] /mnt/data\n" and .files == []'
}

@test "home and workspace lead to the session's files" {
	upload a.txt x
	bash_code 'cd; pwd -P; ls; ls /workspace /home/user' "$(in_session)"
	ok
	has '.stdout | startswith("/mnt/data\na.txt\n")'
}

@test "timing and usage are numbers that fit together" {
	python 'import time; t = time.process_time()
while time.process_time() - t < 0.3: pass
x = bytearray(60 << 20)'
	ok
	has '.usage.cpu_ms >= 200 and .usage.cpu_ms < 5000 and .usage.memory_peak_bytes >= 0'
	has '.timing.total_ms >= .timing.run_ms and .timing.run_ms > 250 and .usage.wall_ms >= 250'
	has '.timing | to_entries | all(.value >= 0)'
}

@test "isolation tells what was read back" { # S0-35, S2-35, S2-36, S3-02, S4-01, S4-67
	python 1
	ok
	has '.isolation.method == "userns" and .isolation.caps == "none" and .isolation.no_new_privs == true'
	has '.isolation.groups == $n' --argjson n "$(other_groups)"
	has '(["user","mnt","pid","net","ipc","uts","cgroup"] - .isolation.namespaces) == []'
	has '.isolation.seccomp | test("^base:[0-9]+:[0-9a-f]{64}$|^base:[0-9]+:.*[0-9a-f]{16}")'
	has '.isolation.workspace == "overlay" or .isolation.workspace == "copy"'
}
