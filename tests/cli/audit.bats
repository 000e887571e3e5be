#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The audit log by its commands: what is recorded, found, exported, and how a change shows.
# bats file_tags=slow
load ../helpers

LOG() { echo "$SBX_STATE/audit/audit.jsonl"; }
# records OPTIONS...: as an array in the file that `has` looks at.
records() { capture sbx audit --json "$@" && ok; }
intact() { capture sbx audit verify --json && ok && has '.intact == true'; }
broken() { capture sbx audit verify --json && refused E_CORRUPT; }

# --- what is recorded -----------------------------------------------------------------------------
@test "each operation leaves one record with who, what, where and how it went" { # S0-43 S1-45 S1-46 S1-47 S1-48, S2-47
	upload data.csv 'a,b' '{"user":"'$USER_A'","ip":"192.0.2.7","user_agent":"Mozilla/5.0"}'
	request exec "$(in_session '{"user":"'$USER_A'","lang":"bash","code":"echo x >out.txt"}')" && ok
	request ls "$(in_session '{"user":"'$USER_A'"}')" && ok
	request get "$(in_session '{"user":"'$USER_A'","name":"data.csv","out":"'"$TMP"'/got"}')" && ok
	records
	has '[.records[] | .action] == ["upload", "exec", "files_list", "download"]'
	has 'all(.records[]; .status == "success" and .userId == $u and .sessionId == $s)' --arg u "$USER_A" --arg s "$session"
	has 'all(.records[]; (.createdAt == .updatedAt) and (.createdAt | test("^[0-9-]{10}T[0-9:]{8}\\.[0-9]{3}Z$")))' # S1-61
	has '.records[0] | .ip == "192.0.2.7" and .userAgent == "Mozilla/5.0"' # S1-55 S1-56
	has '.records[0].file | .filename == "data.csv" and .size == 3 and .mimeType == "text/csv" and .fileId == $i' --arg i "$id" # S1-59
	has '.records[1].execution | .lang == "bash" and .exitCode == 0 and .durationMs >= 0 and .memoryMB >= 0 and .filesGenerated == 1' # S1-58
	has '.records[1].details | .status == "success" and (.execId | length == 36)' # S1-57
	has '.records[3].file | .filename == "data.csv" and .fileId == $i' --arg i "$id"
	intact
}

@test "a session in its short form is found by either form" {
	local short
	upload a.txt x '{"id_form":"short"}'
	short=$session
	equals "${#short}" 21
	request ls "$(in_session)" && ok
	records -s "$short"
	has '.records | length == 2 and ([.[].sessionId] | unique | length == 1 and (.[0] | length == 36))'
	records "--session=$(jq -r '.records[0].sessionId' <<<"$output")"
	has '.records | length == 2'
}

@test "what a foreign user tries is answered as absent and recorded as denied" { # S0-24
	local mine
	upload secret.txt hello '{"user":"'$USER_A'"}'
	mine=$session
	foreign() { # VERB OBJECT: the same words for what is foreign and for what is not there
		local said
		request "$1" "$(jq -cn --arg u "$USER_B" --argjson x "$2" '{user: $u} + $x')"
		refused E_NOT_FOUND
		said=$(jq -c '.error | del(.pointer)' <<<"$output")
		request "$1" "$(jq -cn --arg u "$USER_B" --argjson x "$(sed "s/$mine/$ABSENT/g; s/$id/$ABSENT/g" <<<"$2")" '{user: $u} + $x')"
		refused E_NOT_FOUND
		equals "$(jq -c '.error | del(.pointer)' <<<"$output")" "$said"
	}
	foreign get '{"id":"'"$id"'","out":"'"$TMP"'/got"}'
	foreign get '{"session":"'"$mine"'","name":"secret.txt","out":"'"$TMP"'/got"}'
	foreign ls '{"session":"'"$mine"'"}'
	foreign exec '{"session":"'"$mine"'","lang":"bash","code":"cat *"}'
	foreign upload '{"session":"'"$mine"'","files":[{"name":"x","content":"x"}]}'
	foreign rm '{"session":"'"$mine"'","files":["secret.txt"]}'
	foreign rm '{"session":"'"$mine"'","whole_session":true}'
	[ ! -e "$TMP/got" ]
	records -u "$USER_B"
	has '.records | length == 14 and all(.[]; .status == "denied" and .error == "E_NOT_FOUND")' # S1-54 S1-60
	has '[.records[] | .action] | unique == ["download", "exec", "files_list", "rm", "upload"]'
	has '[.records[] | select(.sessionId == $s)] | length == 6' --arg s "$mine"
	has '.records[0].details.asked == $i' --arg i "$id"
	records -u "$USER_A"
	has '.records | length == 1'
}

@test "what a policy, a rate or a bad request refused is recorded too" {
	config '{"rate_per_minute":1,"rate_burst":2,"extensions":["txt"]}'
	request upload '{"files":[{"name":"a.exe","content":"MZ"}]}' && refused E_POLICY
	request upload '{"files":[{"name":"a.txt","content":"x"}],"files_":1}' && refused E_REQUEST /files_
	request upload '{"files":[{"name":"a.txt","content":"x"}]}' && refused E_RATE
	records
	has '[.records[] | .status] == ["denied", "error", "denied"]'
	has '[.records[] | .error | split(":")[0]] == ["E_POLICY", "E_REQUEST", "E_RATE"]'
}

@test "a render or a tool is an exec, and its record says which" {
	capture sbx tool --json none_such
	refused E_POLICY
	records --action exec
	has '.records | length == 1 and .[0].details.verb == "tool" and .[0].details.asked == "none_such" and .[0].status == "denied"'
}

@test "without an audit log nothing is recorded, and asking for it is no error" { # S4-56
	config '{"audit":false}'
	upload a.txt x
	records
	has '.records == []'
	intact
	has '.records == 0'
	request audit '{"what":["auth-failure"]}' && ok # it still counts
	records
	has '.records == []'
}

@test "neither code nor what it printed nor a file's bytes get into the log" {
	upload a.txt 'bytes-SECRET'
	request exec "$(in_session '{"lang":"bash","code":"echo out-SECRET; echo err-SECRET >&2; cat a.txt >b.txt","stdin":"in-SECRET","env":{"K":"env-SECRET"},"args":["arg-SECRET"]}')" && ok
	run ! grep -r SECRET "$SBX_STATE/audit"
	run ! grep -r 'out-SECRET\|err-SECRET\|in-SECRET\|bytes-SECRET\|env-SECRET' "$SBX_STATE/history"
}

# --- hostile content ------------------------------------------------------------------------------
forged() { printf '"}\n{"seq":9,"createdAt":"2026-01-01T00:00:00.000Z","action":"exec","status":"success","prev":"0","hash":"%064d"}\r\n\x1b[2J\xe2\x80\xa8' 0; }

@test "one hostile line cannot forge another" {
	local agent n
	agent=$(forged | jq -Rs .)
	upload a.txt x '{"user":"'$USER_A'","ip":"1\n2\r3","user_agent":'"$agent"'}'
	request upload "$(jq -cn --arg n "$(printf 'x","hash":"%064d","salt":"\xc3\xa9' 0)" '{files: [{name: $n, content: "x"}]}')" && ok
	request get "$(jq -cn --arg n "$(forged)" --arg s "$session" '{user: "'$USER_A'", session: $s, name: $n, out: "/dev/null"}')"
	refused E_NOT_FOUND
	request get "$(jq -cn --arg n "$(forged)" '{user: "'$USER_A'", session: $n, name: "a", out: "/dev/null"}')" && refused E_REQUEST /session
	intact
	has '.records == 4'
	equals "$(wc -l <"$(LOG)")" 4
	run ! grep -P '[^\x20-\x7e]' "$(LOG)"
	records
	has '[.records[] | .seq] == [1, 2, 3, 4] and [.records[] | .action] == ["upload", "upload", "download", "download"]'
	has '.records[0].userAgent == $a' --argjson a "$agent"
	capture sbx audit
	equals "$(wc -l <"$TMP/.out")" 4
	run ! grep -P '[\x00-\x09\x0b-\x1f\x7f]' "$TMP/.out"
	capture sbx audit export
	equals "$(wc -l <"$TMP/.out")" 4
	jq -es 'length == 4' "$TMP/.out"
}

@test "members of any size in a request cannot break the chain" {
	local big
	big=$(head -c 3000000 /dev/zero | tr '\0' A)
	upload a.txt x
	for member in ip user_agent session id_form user; do
		printf '{"%s":"%s"}' "$member" "$big" >"$TMP/big"
		capture sbx get --request "$TMP/big"
		refused E_REQUEST "/$member"
	done
	request ls "$(in_session)" && ok
	intact
	has '.records == 7'
	[ "$(wc -L <"$(LOG)")" -lt 65536 ]
	records
	has '.records | length == 7 and (.[6].action == "files_list")'
}

@test "an export to CSV has a row a record, whatever names hold, and no formula" {
	upload '=1+1;"x",y.txt' x '{"user_agent":"@SUM(A1)\n,\"","ip":"-1"}'
	request get "$(in_session '{"name":"=cmd","out":"/dev/null"}')"
	capture sbx audit export --format csv
	equals "$(head -n 1 "$TMP/.out" | tr -d '\r')" seq,createdAt,action,status,userId,sessionId,ip,userAgent,execution/lang,execution/durationMs,execution/exitCode,execution/memoryMB,execution/filesGenerated,file/fileId,file/filename,file/size,file/mimeType,error,details,hash
	python3 - "$TMP/.out" <<-'P'
		import csv, sys
		rows = list(csv.DictReader(open(sys.argv[1], newline='')))
		assert len(rows) == 2, rows
		assert rows[0]['file/filename'] == '\'=1+1;"x",y.txt', rows[0]
		assert rows[0]['userAgent'] == '\'@SUM(A1)?,"', rows[0]
		assert rows[0]['ip'] == "'-1" and rows[0]['file/size'] == '1'
		assert rows[1]['error'].startswith('E_NOT_FOUND') and '=cmd' in rows[1]['details']
		assert all(not v[:1] in '=+-@' for r in rows for v in r.values() if v)
	P
}

# --- finding and exporting ------------------------------------------------------------------------
some_records() {
	local i
	for i in 1 2 3; do upload "f$i.txt" x '{"user":"'$USER_A'"}'; done
	request exec "$(in_session '{"user":"'$USER_A'","lang":"bash","code":"exit 3"}')" && ok
	request exec "$(in_session '{"user":"'$USER_B'","lang":"bash","code":"true"}')" && refused E_NOT_FOUND
	request exec '{"user":"'$USER_B'","lang":"no_such","code":"x"}' && ! ok >/dev/null
	request ls "$(in_session '{"user":"'$USER_A'"}')" && ok
}

@test "records are found by user, session, action, status, age and number" { # S0-71 S1-62 S1-63
	some_records
	count() { local want=$1; shift; records "$@"; has '.records | length == $n' --argjson n "$want"; }
	count 7
	count 5 -u "$USER_A"
	count 2 --user "$USER_B"
	count 4 -s "$session"
	count 3 --action exec
	count 2 --action exec --status denied --since 24h
	count 1 --action exec -u "$USER_A"
	count 0 --action exec --status error --since 1h -s "$session"
	count 7 --since 1h
	count 0 -s "$ABSENT"
	count 0 --action 'exec"' --status $'a\nb'
	count 2 -n 2
	has '[.records[].seq] == [6, 7]'
	until_true 5 sleep 1.1
	count 0 --since 1
	request audit '{"user":"'$USER_A'","action":"exec","since_ms":3600000,"limit":5}' && ok && has '.records | length == 1'
	capture sbx audit -u "$USER_A" --action exec
	equals "$status" 0
	grep -qE "^[0-9TZ:.-]{24}  success  exec  $USER_A  $session  bash$" "$TMP/.out"
}

@test "an export has all that fits, as JSON Lines or as mongoimport reads it" { # S1-50, S1-10
	some_records
	capture sbx audit export
	cmp <(jq -c 'del(.salt)' "$(LOG)") <(jq -c . "$TMP/.out")
	capture sbx audit export --format jsonl --limit 2 -u "$USER_A"
	jq -es '[.[].action] == ["exec", "files_list"]' "$TMP/.out"
	capture sbx audit export --format mongo --action exec
	jq -es 'length == 3 and all(.[]; ._id == .hash and (.createdAt | keys == ["$date"]) and (.updatedAt["$date"] | endswith("Z")))' "$TMP/.out"
	request audit '{"what":["export"],"format":"csv","limit":1}'
	equals "$(wc -l <"$TMP/.out")" 2
}

@test "wrong words and options are refused" {
	capture sbx audit nonsense
	refused_words 2 'audit knows verify, export, tail and auth-failure'
	request audit '{"what":["nonsense"]}' && refused E_REQUEST /what/0
	capture sbx audit export --format xml
	refused_words 64 'must be jsonl, csv or mongo'
	request audit '{"what":["export"],"format":"xml"}' && refused E_REQUEST /format
	capture sbx audit --limit 0
	refused_words 64 /limit
	capture sbx audit --since yesterday
	refused_words 2 since
	capture sbx audit verify --expect 1:abc
	refused_words 64 /expect
	request audit '{"what":["verify"],"expect":"x:'"$(printf %064d 0)"'"}' && refused E_REQUEST
	request audit '{"user":"../x"}' && refused E_REQUEST /user
	capture sbx audit verify export
	[ "$status" -ne 0 ]
}

# --- following ------------------------------------------------------------------------------------
@test "a follower sees what comes, over a rotation too, and only what fits" { # S3-52
	local follower lines
	config '{"audit_bytes":4096}'
	upload old.txt x
	"$BUILD/sbx" audit tail -n 1 --action upload --format jsonl >"$TMP/follow" &
	follower=$!
	until_true 10 test -s "$TMP/follow"
	for i in $(seq 12); do
		upload "n$i.txt" x
		request ls "$(in_session)" && ok
	done
	lines() { [ "$(wc -l <"$TMP/follow")" -ge 13 ]; }
	until_true 10 lines
	kill "$follower"
	wait "$follower" || :
	[ "$(find "$SBX_STATE/audit" -name 'audit-*.jsonl' | wc -l)" -ge 2 ]
	jq -es '[.[].file.filename] == ["old.txt"] + [range(1; 13) | "n\(.).txt"]' "$TMP/follow"
}

@test "a follower ends when its reader has gone" {
	upload a.txt x
	sbx audit --follow | head -n 1 >"$TMP/first" &
	until_true 10 test -s "$TMP/first"
	upload b.txt x
	upload c.txt x
	until_true 10 no_new_process
	grep -q 'success  upload' "$TMP/first"
}

# --- the chain ------------------------------------------------------------------------------------
@test "a flipped byte anywhere is found" {
	local size at
	some_records
	intact
	size=$(stat -c %s "$(LOG)")
	cp "$(LOG)" "$TMP/good"
	python3 - "$TMP/good" "$(LOG)" "$BUILD/sbx" <<-'P'
		import subprocess, sys
		good, log, sbx = open(sys.argv[1], 'rb').read(), sys.argv[2], sys.argv[3]
		last = good.rindex(b'\n', 0, len(good) - 1)
		places = sorted(set(range(0, len(good), 31)) | set(range(last, len(good), 17)) | {len(good) - 1})
		for at in places:
		    bad = bytearray(good)
		    bad[at] ^= 1 << (at % 7)
		    open(log, 'wb').write(bad)
		    got = subprocess.run([sbx, 'audit', 'verify'], capture_output=True)
		    assert got.returncode == 70 and b'is broken' in got.stderr, (at, got)
		open(log, 'wb').write(good)
		print(len(places), 'of', len(good))
	P
	[ "$size" -gt 3000 ]
	intact
}

@test "a record removed, moved, put in, cut off or rewritten is found, and where" {
	some_records
	cp "$(LOG)" "$TMP/good"
	sed 3d "$TMP/good" >"$(LOG)"
	broken && has '.error.message | test("audit.jsonl, line 3, record 3")'
	sed '2{h;d};3{G}' "$TMP/good" >"$(LOG)"
	broken && has '.error.message | test("line 2")'
	sed 4p "$TMP/good" >"$(LOG)"
	broken && has '.error.message | test("line 5")'
	sed '$d' "$TMP/good" >"$(LOG)"
	broken && has '.error.message | test("ends at record 6 and its head is 7")'
	head -c -9 "$TMP/good" >"$(LOG)"
	broken
	: >"$(LOG)"
	broken
	rm "$(LOG)"
	broken
	cp "$TMP/good" "$(LOG)"
	sed -i '5s/"denied"/"success"/' "$(LOG)"
	broken && has '.error.message | test("line 5, record 5: the record was changed")' && has '.error.hint | length > 0'
	cp "$TMP/good" "$(LOG)"
	sed -i "1s/$USER_A/$USER_B/" "$(LOG)"
	broken && has '.error.message | test("line 1, record 1: the record was changed in its private part")'
	capture sbx audit verify
	refused_words 70 'the audit log is broken'
	cp "$TMP/good" "$(LOG)"
	intact
	capture sbx stats --prometheus
	grep -q '^sbx_audit_failures_total 10$' "$TMP/.out" # S3-57
}

@test "a log rewritten as a whole is found by a hash noted elsewhere" {
	local noted
	upload a.txt x
	request ls "$(in_session)" && ok
	intact
	noted=$(jq -r '"\(.last_seq):\(.hash)"' "$TMP/.out")
	upload b.txt x
	capture sbx audit verify --json --expect "$noted" && ok
	rm -r "$SBX_STATE/audit"
	upload a.txt x
	request ls "$(in_session)" && ok
	upload b.txt x
	intact
	capture sbx audit verify --json --expect "$noted"
	refused E_CORRUPT && has '.error.message | test("not the expected one")'
}

@test "what a killed writer left unfinished is named, then set aside; the chain goes on" {
	upload a.txt x
	printf '{"seq":2,"createdAt":"2026-' >>"$(LOG)"
	intact
	has '.torn | .file == "audit.jsonl" and .bytes == 27 and .offset > 0'
	capture sbx audit verify
	grep -q 'audit.jsonl has an unfinished line at byte [0-9]*; the next record sets it aside' "$TMP/.out"
	request ls "$(in_session)" && ok
	intact
	has '(has("torn") | not) and .records == 3'
	records --action audit.torn
	has '.records | length == 1 and .[0].chain.bytes == 27'
	equals "$(cat "$SBX_STATE/audit/$(jq -r '.records[0].chain.file' "$TMP/.out")")" '{"seq":2,"createdAt":"2026-'
}

@test "writers killed at any moment leave a chain that verifies" {
	local i pids=()
	upload a.txt x
	for ((i = 0; i < ${KILLS:-40} * 3; i++)); do
		"$BUILD/sbx" ls -s "$session" >/dev/null 2>&1 &
		pids+=($!)
		"$BUILD/sbx" sessions >/dev/null 2>&1 &
		pids+=($!)
		read -r -t "0.00$((RANDOM % 9))$((RANDOM % 9))" <> <(:) || :
		kill -9 "${pids[@]}" 2>/dev/null || :
		wait "${pids[@]}" 2>/dev/null || :
		pids=()
		((i % 20)) || intact
	done
	request ls "$(in_session)" && ok
	intact
	has '(has("torn") | not) and .records > 2'
}

@test "many writers at once make one chain without a gap" {
	local i
	upload a.txt x
	for i in $(seq 8); do
		(for _ in $(seq 10); do "$BUILD/sbx" ls -s "$session" >/dev/null || exit 1; done) &
	done
	wait
	intact
	has '.records == 81 and .last_seq == 81'
}

# --- how it is bounded ----------------------------------------------------------------------------
@test "the log rotates by size, is read across its files, and keeps so many of them" { # S2-33
	config '{"audit_bytes":4096,"audit_keep":3}'
	upload a.txt x
	for _ in $(seq 60); do sbx ls -s "$session" >/dev/null; done
	intact
	has '.files >= 3 and .files <= 4 and .first_seq > 1'
	records -n 20
	has '.records | length == 20 and (map(.seq) | . == sort and .[19] - .[0] == 19)'
	records --action audit.expired -n 1
	has '.records[0].chain | .through > 0 and .files >= 1'
	find "$SBX_STATE/audit" -name 'audit-*.jsonl' | sort | head -n 1 >"$TMP/oldest"
	rm "$(cat "$TMP/oldest")"
	broken && has '.error.message | test("nothing says that they expired")'
}

# clock DAYS: a library that moves the clock for what is started with it.
clock() {
	needs cc
	[ -e "$TMP/clock.so" ] || cc -shared -fPIC -O1 -o "$TMP/clock.so" -x c - -ldl <<-'C'
		#define _GNU_SOURCE
		#include <dlfcn.h>
		#include <stdlib.h>
		#include <time.h>
		int clock_gettime(clockid_t id, struct timespec *ts)
		{
			int (*next)(clockid_t, struct timespec *) = (int (*)(clockid_t, struct timespec *))dlsym(RTLD_NEXT, "clock_gettime");
			int got = next(id, ts);
			if (id == CLOCK_REALTIME && getenv("CLOCK_DAYS"))
				ts->tv_sec += 86400L * atol(getenv("CLOCK_DAYS"));
			return got;
		}
	C
	export CLOCK_DAYS=$1 LD_PRELOAD=$TMP/clock.so
	ASAN_OPTIONS=verify_asan_link_order=0:${ASAN_OPTIONS:-} "${@:2}"
}

@test "records leave after their time, file by file, and the chain says so" { # S1-27 S1-65
	export SANDBOX_AUDIT_TTL_DAYS=30
	config '{"audit_bytes":4096}'
	for _ in $(seq 25); do (clock -40 sbx sessions >/dev/null); done
	find "$SBX_STATE/audit" -name 'audit-*.jsonl' | sort >"$TMP/old"
	[ "$(wc -l <"$TMP/old")" -ge 2 ]
	for _ in $(seq 25); do sbx sessions >/dev/null; done
	while read -r file; do [ ! -e "$file" ]; done <"$TMP/old"
	intact
	records --action audit.expired
	has '.records | length >= 1 and ([.[].chain.files] | add >= 2)'
	records -n 100000
	has '[.records[] | select(.createdAt < $t)] | length < 15' --arg t "$(date -u -d '-30 days' +%FT%T)"
}
