#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What was promised about runs and the store and is proven nowhere else, one test a promise.
load ../helpers

@test "from a table to a picture in three commands, without anything else" { # S0-01, S0-04, S0-18, S0-19
	printf 'x,y\n1,2\n2,4\n3,6\n' >points.csv
	capture sbx upload points.csv
	equals "$status" 0
	cat >plot.py <<-'X'
		import csv, struct, zlib
		rows = list(csv.DictReader(open("points.csv")))
		size = 16
		dots = {(int(r["x"]), size - 1 - int(r["y"])) for r in rows}
		lines = b"".join(b"\0" + bytes(0 if (x, y) in dots else 255 for x in range(size)) for y in range(size))
		def part(kind, data):
		    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
		open("plot.png", "wb").write(b"\x89PNG\r\n\x1a\n" + part(b"IHDR", struct.pack(">2I5B", size, size, 8, 0, 0, 0, 0))
		    + part(b"IDAT", zlib.compress(lines)) + part(b"IEND", b""))
		print(len(rows))
	X
	capture sbx exec plot.py
	equals "$status:$output" 0:3
	capture sbx get plot.png -o plot.png
	equals "$status" 0
	equals "$(head -c 8 plot.png | od -An -tx1 | tr -d ' \n')" 89504e470d0a1a0a
	capture sbx ls --json
	has '.files | map(select(.name == "plot.png"))[0] | .mime == "image/png" and .origin == "run"'
}

@test "a session keeps when it was made, how long it lives, and when it was used last" { # S1-35
	config '{"session_ttl_ms":86400000}'
	upload a x "{\"user\":\"$USER_A\"}"
	local kept=$SBX_STORAGE/$USER_A/$session/.session.json
	holds '.v == 1 and .ttl_ms == 86400000 and (now * 1000 - .created | . > -5000 and . < 600000)' "$kept" >/dev/null
	equals "$(stat -c %a "$kept")" 600
	touch -d '2 days ago' "$kept"
	local before
	before=$(stat -c %Y "$kept")
	python 1 "$(in_session "{\"user\":\"$USER_A\"}")"
	ok
	[ "$(stat -c %Y "$kept")" -gt "$before" ]
	request sessions "{\"user\":\"$USER_A\"}"
	has '.sessions[0].session == $s and (now - (.sessions[0].used[0:19] + "Z" | fromdateiso8601) < 600)' --arg s "$session"
}

@test "each run's outputs are told apart, by the run and by the revision that they came with" { # S1-34
	local first second
	python 'open("a.txt", "w").write("1")'
	ok
	session=$(jq -r .session "$TMP/.out") first=$(jq -r .exec_id "$TMP/.out")
	python 'open("b.txt", "w").write("2"); print(open("a.txt").read())' "$(in_session)"
	ok
	has '.stdout == "1\n"'
	second=$(jq -r .exec_id "$TMP/.out")
	request ls "$(in_session)"
	has '.files | map([.name, .exec_id]) == [["a.txt", $a], ["b.txt", $b]]' --arg a "$first" --arg b "$second"
	grep -q "$second" "$SBX_STORAGE"/*/"$session"/.manifest/2.json
	! grep -q "$second" "$SBX_STORAGE"/*/"$session"/.manifest/1.json
}

@test "a named component runs and its result comes back as JSON" { # S3-08, S3-18
	upload doubler.py 'def run(n=21):
    return {"name": __name__, "result": n * 2}
'
	python 'import json, doubler
print(json.dumps(doubler.run()))' "$(in_session '{"profile":"component"}')"
	ok
	has '(.stdout | fromjson) == {"name": "doubler", "result": 42} and .profile == "component"'
	has '.limits.memory_bytes == 100000000 and .limits.wall_ms == 30000'
	# one that fails is an answer too, and does not bring the caller down
	python 'import doubler; doubler.run("x", 1)' "$(in_session '{"profile":"component"}')"
	ok
	has '.status == "error" and (.stderr | contains("TypeError"))'
}

@test "the programs themselves need little memory, and none when nothing runs" { # S4-08
	[ -z "${ASAN_OPTIONS:-}${UBSAN_OPTIONS:-}" ] || skip "sanitizers need memory of their own"
	capture python3 -c 'import os, resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdin=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)' "$BUILD/sbx" exec -- true
	equals "$status" 0
	echo "the largest of them had $output KiB"
	[ "$output" -gt 0 ] && [ "$output" -lt 32768 ]
	# compiled for this machine, not for a run-time
	equals "$(head -c 4 "$BUILD/sbx" | od -An -c | tr -d ' ')" '177ELF'
	no_new_process
}

@test "the greeting and the sum, in Python and in JavaScript" { # S4-37, S4-38
	echo '{"lang":"python","code":"print(\"Hello from secure sandbox!\")\nprint(2 + 2)"}' >test.json
	capture sbx exec --request test.json
	ok
	has '.status == "success" and .exit_code == 0 and .stdout == "Hello from secure sandbox!\n4\n" and .stderr == ""'
	needs node
	run_code javascript 'console.log("Hello from JavaScript!"); console.log([1, 2, 3, 4, 5, 6].reduce((a, b) => a + b, 0))'
	ok
	has '.status == "success" and .stdout == "Hello from JavaScript!\n21\n"'
}

@test "JavaScript reads and writes JSON" { # S4-41
	needs node
	upload in.json '{"items":[{"n":1},{"n":2}]}'
	run_code javascript 'const fs = require("fs")
const { items } = JSON.parse(fs.readFileSync("in.json", "utf8"))
fs.writeFileSync("out.json", JSON.stringify({ sum: items.reduce((s, i) => s + i.n, 0) }))
console.log(JSON.stringify(items))' "$(in_session)"
	ok
	has '.stdout == "[{\"n\":1},{\"n\":2}]\n" and .files[0].name == "out.json"'
	equals "$(content_of out.json)" '{"sum":3}'
}

@test "the plain commands of a shell work" { # S4-14, S4-42
	upload a.txt x
	bash_code 'echo "Hello"; date -u +%Y-%m-%d; ls -la; for i in 1 2; do printf "%s " "$i"; done | tr 1 9' "$(in_session)"
	ok
	has '.status == "success" and .stderr == "" and (.stdout | startswith("Hello\n20"))'
	has '.stdout | test("\n20[0-9]{2}-[0-9]{2}-[0-9]{2}\n") and test("\n-rw[^\n]* a[.]txt\n") and endswith("9 2 ")'
}

@test "a time limit may be left out, and is then the one of the profile" { # S4-43
	python 1
	ok
	has '.limits.wall_ms == 30000'
	python 1 '{"limits":{"wall_ms":1234}}'
	has '.limits.wall_ms == 1234'
}

@test "the same request gives the same shape of answer, every time" { # S2-66
	local i shape='[paths | map(if type == "number" then 0 else . end)] | unique'
	for i in 1 2; do
		python 'open("out.txt", "w").write("x"); print("same")'
		ok
		jq -c "$shape" "$TMP/.out" >"shape$i"
		jq -c '[.status, .exit_code, .stdout, .stderr, .limits_hit, .limits, .isolation, (.files[0] | .name, .size, .sha256, .mime)]' \
			"$TMP/.out" >"content$i"
	done
	cmp shape1 shape2
	cmp content1 content2
	# a refusal too
	for i in 1 2; do
		python 1 '{"limits":{"wall_ms":99999999}}'
		refused E_LIMIT /limits/wall_ms
		cp "$TMP/.out" "refusal$i"
	done
	cmp refusal1 refusal2
}
