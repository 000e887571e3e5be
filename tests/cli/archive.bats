#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# export and import: sessions out and in again, hostile archives, what an interruption leaves.
# bats file_tags=slow
load ../helpers

# A session with four revisions: uploads, a run, a removal, names in directories and beyond ASCII.
some_session() {
	upload in/a.txt one '{"user":"'$USER_A'"}'
	request upload "$(in_session '{"user":"'$USER_A'","files":[{"name":"é ü.csv","content":"a,b"},{"name":"empty","content":""},{"name":"ro.txt","content":"ro","read_only":true}]}')" && ok
	request exec "$(in_session '{"user":"'$USER_A'","lang":"bash","code":"echo two >in/a.txt; head -c 70000 /dev/zero >big.bin"}')" && ok
	request rm "$(in_session '{"user":"'$USER_A'","files":["empty"]}')" && ok
}
# what USER SESSION REVISION: names, sizes, hashes and kinds of a revision
what() {
	request ls "$(jq -cn --arg u "$1" --arg s "$2" --argjson r "$3" '{user: $u, session: $s, revision: $r}')" && ok &&
		jq -c '[.files[] | {name, size, sha256, mime, origin, read_only}]' "$TMP/.out"
}
export_a() { capture sbx export -u "$USER_A" -s "$session" -o "$TMP/a.tar" "$@" && equals "$status" 0; }
# Every file but the sums of users' bytes, which fsck compares afterwards.
files_sum() { (cd "$SBX_STORAGE" && find . ! -name .usage \( -type f -o -type l \) -printf '%p %l %s\n' | sort | sha256sum); }
# import_refused CODE: and nothing of it stays.
import_refused() {
	local before
	before=$(files_sum)
	capture sbx import -u "$USER_B" --json "${@:2}" "$TMP/bad.tar"
	refused "$1" || return 1
	equals "$(files_sum)" "$before"
	[ -z "$(find "$SBX_STORAGE" -name '.import-*')" ]
}
# edit PYTHON: makes bad.tar of a.tar; m: list of [name, bytes], type by name in t.
edit() {
	python3 - "$TMP/a.tar" "$TMP/bad.tar" "$1" <<-'P'
		import io, json, sys, tarfile
		old = tarfile.open(sys.argv[1])
		m = [[i.name, old.extractfile(i).read()] for i in old.getmembers()]
		t, cut, link = {}, None, {}
		def doc(n, f):
		    for x in m:
		        if x[0] == n:
		            d = json.loads(x[1]); f(d); x[1] = json.dumps(d).encode()
		def entry(d, **k): d['revisions'][-1]['files'][0].update(k)
		exec(sys.argv[3])
		new = tarfile.open(sys.argv[2], 'w', format=tarfile.USTAR_FORMAT)
		for name, data in m:
		    i = tarfile.TarInfo(name)
		    i.type = t.get(name, tarfile.REGTYPE)
		    i.size = len(data) if i.type == tarfile.REGTYPE else 0
		    i.linkname = link.get(name, '')
		    new.addfile(i, io.BytesIO(data))
		new.close()
		if cut is not None:
		    b = open(sys.argv[2], 'rb').read()
		    open(sys.argv[2], 'wb').write(b[:cut] if cut >= 0 else b[:len(b) + cut])
	P
}
S=sessions/1.json

@test "a session comes back with all its revisions, names and bytes, for another user too" {
	local new n
	some_session
	export_a
	capture sbx import -u "$USER_B" --json "$TMP/a.tar" && ok
	has '.user == $u and (.sessions | length == 1) and .sessions[0].from == $s and .sessions[0].id != $s and .sessions[0].revision == 4 and .sessions[0].files == 6' --arg u "$USER_B" --arg s "$session"
	new=$(jq -r '.sessions[0].id' <<<"$output")
	for n in 1 2 3 4; do equals "$(what "$USER_B" "$new" $n)" "$(what "$USER_A" "$session" $n)"; done
	request ls '{"user":"'$USER_B'","session":"'"$new"'"}' && ok
	has '.files | length == 4 and all(.[]; .id | length == 36)'
	request exec '{"user":"'$USER_B'","session":"'"$new"'","lang":"bash","code":"cat in/a.txt"}' && ok && has '.stdout == "two\n"'
	request undo '{"user":"'$USER_B'","session":"'"$new"'"}' && ok
	request get '{"user":"'$USER_B'","id":"'"$id"'","out":"/dev/null"}' && refused E_NOT_FOUND # the first's ids stay the first's
}

@test "all sessions of a user go through a pipe, and back after the user has gone, with their ids" {
	some_session
	upload other.txt x '{"user":"'$USER_A'"}'
	what "$USER_A" "$session" 1 >"$TMP/was"
	sbx export -u "$USER_A" --all >"$TMP/all.tar"
	tar -tf "$TMP/all.tar" >/dev/null
	request rm '{"user":"'$USER_A'","whole_user":true}' && ok
	sbx import -u "$USER_A" --same-ids --json <"$TMP/all.tar" >"$TMP/.out"
	has '.sessions | length == 2 and all(.[]; .from == .id)'
	equals "$(what "$USER_A" "$session" 1)" "$(cat "$TMP/was")"
	request get '{"user":"'$USER_A'","id":"'"$id"'","out":"'"$TMP"'/got"}' && ok
	equals "$(cat "$TMP/got")" x
	cp "$TMP/all.tar" "$TMP/bad.tar"
	import_refused E_REQUEST --same-ids
	capture sbx import -u "$USER_B" "$TMP/all.tar"
	equals "$(grep -cE '^[0-9a-f-]{36}  revision [0-9]+, [0-9]+ files, was [0-9a-f-]{36}$' "$TMP/.out")" 2
}

@test "only the newest revision when that is asked for" {
	some_session
	export_a --current
	capture sbx import -u "$USER_B" --json "$TMP/a.tar" && ok && has '.sessions[0] | .revision == 1 and .files == 4'
	equals "$(what "$USER_B" "$(jq -r '.sessions[0].id' <<<"$output")" 1)" "$(what "$USER_A" "$session" 4)"
}

@test "an empty session, and a user without any, go out and in" {
	request exec '{"user":"'$USER_A'","lang":"bash","code":"true"}' && ok
	session=$(jq -r .session <<<"$output")
	export_a
	capture sbx import -u "$USER_B" --json "$TMP/a.tar" && ok && has '.sessions[0] | .revision == 0 and .files == 0'
	capture sbx export -u nobody --all --json -o "$TMP/x"
	refused E_NOT_FOUND
	[ ! -e "$TMP/x" ]
}

@test "wrong requests are refused, and a foreign session is not there" { # S0-24
	some_session
	request export '{"user":"'$USER_B'","session":"'"$session"'","out":"'"$TMP"'/x"}' && refused E_NOT_FOUND
	request export '{"session":"'"$session"'"}' && refused E_REQUEST
	request export '{"session":"'"$session"'","all":true,"out":"x"}' && refused E_REQUEST /all
	request export '{"out":"x"}' && refused E_REQUEST /session
	request import '{}' && refused E_REQUEST /path
	request import '{"path":"none.tar"}' && refused E_NOT_FOUND
	request import '{"path":"x","operands":["x"]}' && refused E_REQUEST /operands
	request import '{"path":"/dev/null"}' && refused E_REQUEST
	capture sbx import none.tar
	refused_words 66 none.tar
	[ ! -e "$TMP/x" ]
	capture sbx audit --json -u "$USER_B" && ok && has '.records | length == 1 and .[0].status == "denied" and .[0].action == "export"'
}

@test "names of a hostile archive are data: those that break the rules are refused" {
	some_session
	export_a
	for name in ../x /etc/passwd a/../b . '' 'a\u0000b' 'a\nb' 'a\u001b[2Jb' "$(printf 'x%.0s' {1..600})" 'in/a.txt/below'; do
		edit "doc('$S', lambda d: entry(d, name=json.loads('\"$(sed 's/\\/\\\\/g' <<<"$name")\"')))"
		import_refused E_REQUEST || { echo "name: $name"; return 1; }
	done
	[ ! -e "$TMP/x" ]
	for change in "id='../../x'" "id=''" "ext='../x'" "ext='a/b'" "sha256='x'" "sha256='../../../../etc/passwd'" "size=-1" \
		"size=10**15" "size=1" "created='x'" "extra=1" "origin=1"; do
		edit "doc('$S', lambda d: entry(d, $change))"
		import_refused E_REQUEST || { echo "change: $change"; return 1; }
	done
}

@test "links, devices, directories and strange entries of an archive are refused" {
	some_session
	export_a
	for type in SYMTYPE LNKTYPE CHRTYPE FIFOTYPE DIRTYPE XHDTYPE GNUTYPE_LONGNAME CONTTYPE; do
		edit "n = m[2][0]; t[n] = tarfile.$type; link[n] = '/etc/passwd'"
		import_refused E_REQUEST || { echo "type: $type"; return 1; }
	done
	edit "m.insert(2, ['../../../tmp/sbx-evil', b'x'])" && import_refused E_REQUEST
	edit "m[2][0] = '/etc/passwd'" && import_refused E_REQUEST
	edit "m[2], m[3] = m[3], m[2]" && import_refused E_REQUEST
	edit "del m[2]" && import_refused E_REQUEST
	edit "m.append(m[2])" && import_refused E_REQUEST
	edit "m.append(['late', b''])" && import_refused E_REQUEST
	edit "del m[-1]" && import_refused E_REQUEST
	edit "del m[0]" && import_refused E_REQUEST
	edit "m[0][1] = b'[]'" && import_refused E_REQUEST
	edit "m[0][1] = b'{\"v\":2,\"kind\":\"sbx-export\"}'" && import_refused E_REQUEST
	edit "m[1][1] = b'{' * 100000" && import_refused E_REQUEST
	edit "doc('sbx-end.json', lambda d: d.update(files=99))" && import_refused E_REQUEST
	edit "doc('$S', lambda d: d.update(session='../x'))" && import_refused E_REQUEST
	edit "doc('$S', lambda d: d.update(revisions={}))" && import_refused E_REQUEST
	edit "doc('$S', lambda d: d['revisions'].append(7))" && import_refused E_REQUEST
	[ ! -e /tmp/sbx-evil ]
}

@test "changed bytes are found by their hash, a cut or a flipped archive is refused" {
	local size at
	some_session
	export_a
	edit "m[2][1] = b'X' + m[2][1][1:]" && import_refused E_REQUEST
	edit "m[2][1] += b'X'" && import_refused E_REQUEST
	edit "doc('$S', lambda d: entry(d, sha256='0' * 64))" && import_refused E_REQUEST
	size=$(stat -c %s "$TMP/a.tar")
	for at in 0 1 511 512 700 2000 4096 $((size - 1024 - 10)) $((size - 1024)); do
		head -c "$at" "$TMP/a.tar" >"$TMP/bad.tar"
		import_refused E_REQUEST || { echo "cut at $at"; return 1; }
	done
	for at in 3 124 130 150 156 260 560; do
		cp "$TMP/a.tar" "$TMP/bad.tar"
		printf '\xff' | dd of="$TMP/bad.tar" bs=1 seek="$at" conv=notrunc status=none
		import_refused E_REQUEST || { echo "flipped at $at"; return 1; }
	done
	head -c 100000 /dev/urandom >"$TMP/bad.tar" && import_refused E_REQUEST
}

@test "quotas and the policy for uploads hold for an import" {
	some_session
	export_a
	cp "$TMP/a.tar" "$TMP/bad.tar"
	config '{"user_bytes":70000}' && import_refused E_QUOTA
	config '{"upload_bytes":60000}' && import_refused E_QUOTA
	config '{"session_files":2}' && import_refused E_QUOTA
	config '{"session_bytes":60000}' && import_refused E_QUOTA
	config '{"extensions":["txt","csv"]}' && import_refused E_POLICY
	config '{"rate_per_minute":1,"rate_burst":1}'
	capture sbx import -u "$USER_B" --json "$TMP/a.tar" && ok
	import_refused E_RATE
	config '{"user_sessions":1}'
	import_refused E_QUOTA
	config '{}'
	edit "m[1][1] = json.dumps(dict(json.loads(m[1][1]), revisions=json.loads(m[1][1])['revisions'] * 50)).encode()"
	capture sbx import -u "$USER_B" --json "$TMP/bad.tar" && ok && has '.sessions[0].revision == 200'
}

@test "an archive cannot take ids or types that are not its own" {
	some_session
	export_a
	edit "doc('$S', lambda d: [f.update(mime='text/html\"><script>', exec='x', origin='run') for r in d['revisions'] for f in r['files']])"
	capture sbx import -u "$USER_B" --json "$TMP/bad.tar" && ok
	request ls '{"user":"'$USER_B'","session":"'"$(jq -r '.sessions[0].id' <<<"$output")"'"}' && ok
	has 'all(.files[]; .mime | test("^[a-z]+/[a-z0-9.+-]+$"))'
	# ids of somebody's files: refused, and those files stay where they are
	cp "$TMP/a.tar" "$TMP/bad.tar"
	import_refused E_REQUEST --same-ids
	request get '{"user":"'$USER_A'","id":"'"$id"'","out":"'"$TMP"'/got"}' && ok
	equals "$(cat "$TMP/got")" one
}

@test "an import that is killed or cut short leaves nothing to be seen, and gc removes the rest" {
	local pid
	some_session
	export_a
	sbx import -u "$USER_B" --json < <(head -c 40000 "$TMP/a.tar") >"$TMP/.out" || :
	has '.error.code == "E_REQUEST"'
	mkfifo "$TMP/pipe"
	"$BUILD/sbx" import -u "$USER_B" "$TMP/pipe" >/dev/null 2>&1 &
	pid=$!
	exec 7>"$TMP/pipe"
	head -c 40000 "$TMP/a.tar" >&7
	stored() { find "$SBX_STORAGE/$USER_B" -path '*/.import-*' -name '*.txt' | grep -q .; }
	until_true 10 stored
	request sessions '{"user":"'$USER_B'"}' && ok && has '.sessions == []'
	capture sbx gc --json && ok && has '.unfinished_removals == 0' # it goes on: not touched
	stored
	kill -9 "$pid"
	wait "$pid" 2>/dev/null || :
	exec 7>&-
	request sessions '{"user":"'$USER_B'"}' && ok && has '.sessions == []'
	capture sbx gc --json && ok && has '.unfinished_removals == 1'
	[ -z "$(find "$SBX_STORAGE" -name '.import-*')" ]
	equals "$(find "$SBX_STORAGE/.ids" -type l | wc -l)" 6
	capture sbx import -u "$USER_B" --json "$TMP/a.tar" && ok
}

@test "an export goes on while runs and removals do, and is of one moment" {
	local i
	some_session
	for i in 1 2 3; do
		sbx exec -u "$USER_A" -s "$session" --json -l bash -c "for i in 1 2 3 4 5; do echo \$i-$i >f\$i; done" >/dev/null &
	done
	for i in 1 2 3; do
		"$BUILD/sbx" export -u "$USER_A" -s "$session" -o "$TMP/e$i.tar"
		capture sbx import -u "$USER_B" --json "$TMP/e$i.tar" && ok
	done
	wait
	mkfifo "$TMP/pipe"
	"$BUILD/sbx" export -u "$USER_A" -s "$session" >"$TMP/pipe" &
	exec 8<"$TMP/pipe"
	head -c 512 <&8 >"$TMP/first"
	capture sbx rm --json -u "$USER_A" -s "$session" --session-all
	refused E_BUSY
	capture sbx exec --json -u "$USER_A" -s "$session" -l bash -c 'echo during >d.txt' && ok
	cat <&8 >"$TMP/rest"
	exec 8<&-
	wait
	cat "$TMP/first" "$TMP/rest" >"$TMP/piped.tar"
	capture sbx import -u "$USER_B" --json "$TMP/piped.tar" && ok
	capture sbx rm --json -u "$USER_A" -s "$session" --session-all && ok
}
