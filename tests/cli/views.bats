#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The view of a large revision is kept and serves every run of it; and how bytes come into the store.
load ../helpers

# many COUNT [OBJECT]: a session of COUNT files, some of them in directories, sets session.
many() {
	config '{"fsync":false,"upload_bytes":3000000000}'
	request upload "$(jq -cn --argjson n "$1" --argjson x "${2:-null}" '{files: [range($n) |
		{name: (if . % 3 == 0 then "d\(. % 7)/f\(.)" else "f\(.)" end), content: "<\(.)>"}]} + $x')"
	ok || return 1
	session=$(jq -r .session <<<"$output")
}
views() { (cd "$SBX_STORAGE"/*/"$session"/.view 2>/dev/null && ls -A); }
view_inode() { stat -c %i "$SBX_STORAGE"/*/"$session/.view/$1"; }

@test "a large upload leaves the view of its revision, and every run of it uses that one" {
	many 300
	equals "$(views)" 1
	local first
	first=$(view_inode 1)
	for _ in 1 2; do
		python 'import os
n = 0
for d, s, fs in os.walk("."):
    for f in fs:
        assert open(os.path.join(d, f)).read() == "<%s>" % f[1:], f
        n += 1
print(n)' "$(in_session)"
		ok
		has '.stdout == "300\n" and .files == [] and .revision == 1'
	done
	equals "$(view_inode 1)" "$first"
	equals "$(views)" 1
}

@test "a small revision and chosen files have no view that is kept" {
	upload a.txt one
	bash_code 'cat a.txt' "$(in_session)"
	ok
	equals "$(views)" ""
	many 300
	rm -rf "$SBX_STORAGE"/*/"$session"/.view
	bash_code 'ls | wc -l' "$(in_session '{"files":["f1","f2"]}')"
	ok
	has '.stdout == "2\n"'
	equals "$(views)" ""
}

@test "a change makes a new view, and the old one goes" {
	many 300
	bash_code 'echo new >f1; rm f2; mv d0 e; echo x >created' "$(in_session)"
	ok
	has '.revision == 2'
	bash_code 'cat f1; ls f2 2>&1; ls d0 2>&1; cat e/f0 created; find . -type f | wc -l' "$(in_session)"
	ok
	has '.stdout | startswith("new\n") and contains("f2'\''") and contains("d0'\''") and endswith("<0>x\n300\n")'
	equals "$(views)" 2
	request undo "$(in_session)"
	ok
	bash_code 'cat f1 f2 d0/f0; find . -type f | wc -l' "$(in_session)"
	ok
	has '.stdout == "<1><2><0>300\n"'
	equals "$(views)" 3
}

@test "what a run does to its files does not reach the view" {
	many 300
	bash_code 'for f in f1 f2 d0/f0; do echo changed >$f; chmod 000 $f; done; exit 3' "$(in_session)" # no commit
	ok
	bash_code 'cat f1 f2 d0/f0; stat -c %a f1' "$(in_session)"
	ok
	has '.stdout | startswith("<1><2><0>")'
	equals "$(views)" 1
}

is_running() { [ -n "$(find "$SBX_STORAGE"/*/"$session"/.run -mindepth 1 2>/dev/null)" ]; }

@test "a view in use outlives newer ones, and goes with its last run" {
	many 300
	mkfifo "$TMP/go"
	sbx exec --json -s "$session" --commit never --wall 25s -- bash -c 'read -r; cat f1 d0/f0; find . -type f | wc -l' <"$TMP/go" >"$TMP/slow" 2>&1 &
	local slow=$!
	exec 8>"$TMP/go"
	until_true 10 is_running
	bash_code 'echo 2 >f1' "$(in_session)"
	ok
	bash_code 'cat f1' "$(in_session)"
	ok
	has '.stdout == "2\n"'
	equals "$(views | xargs)" "1 2"
	sbx gc --json >/dev/null
	equals "$(views | xargs)" "1 2"
	echo >&8
	exec 8>&-
	wait "$slow"
	holds '.stdout == "<1><0>300\n"' "$TMP/slow"
	sbx gc --json >/dev/null
	equals "$(views | xargs)" 2
}

@test "twelve runs at once after a change: one view, and each run sees all" {
	local i
	many 400
	bash_code 'echo 2 >f1' "$(in_session)"
	ok
	for i in $(seq 12); do
		sbx exec --json -s "$session" --commit never -- bash -c 'cat f1; find . -type f | wc -l' >"$TMP/run$i" 2>&1 &
	done
	wait
	for i in $(seq 12); do
		holds '.stdout == "2\n400\n"' "$TMP/run$i" || { cat "$TMP/run$i"; return 1; }
	done
	equals "$(views)" 2
}

@test "half a removal and a view of a dead run are swept" {
	many 300
	local dir
	dir=$(echo "$SBX_STORAGE"/*/"$session")
	mkdir -p "$dir/.view/.gone-7/in" "$dir/.view/9/in" "$dir/.run/$ABSENT/view/in"
	ln "$(find "$dir" -maxdepth 1 -type f -name '*.bin' | head -1)" "$dir/.view/.gone-7/in/x"
	sbx gc --json >/dev/null
	equals "$(views)" 1
	[ ! -e "$dir/.run/$ABSENT" ]
}

@test "a session with a view goes without a rest" {
	many 300
	capture sbx rm --json -s "$session" --session-all
	ok
	equals "$(find "$SBX_STORAGE" -path "*$session*" | wc -l)" 0
	many 300 '{"user":"someone"}'
	capture sbx rm --json -u someone --user-all
	ok
	equals "$(find "$SBX_STORAGE" -name f299)" ""
}

# --- bytes ----------------------------------------------------------------------------------------
# as_stored FILE: the file of the last answer has the bytes and the hash of FILE.
as_stored() {
	has '.files[0].sha256 == $h and .files[0].size == $n' --arg h "$(sha256sum <"$1" | cut -d' ' -f1)" --argjson n "$(stat -Lc %s "$1")" || return 1
	sbx get -o "$TMP/back" "$(jq -r '.files[0].id' "$TMP/.out")" && cmp "$1" "$TMP/back"
}

# bats test_tags=slow
@test "sizes around every border are stored and hashed right, by path, by pipe and from memory" {
	local n
	for n in 0 1 262143 262144 262145 1048575 1048576 1048577 2097151 2097152 2097153 6291456 8388609 9000001; do
		head -c "$n" /dev/urandom >f
		capture sbx upload --json f
		ok
		as_stored f
		capture bash -c 'cat f | "$BUILD/sbx" upload --json --name f -'
		ok
		as_stored f
		cp f "/dev/shm/sbx-views-$$-$n" # another file system: nothing moves inside the kernel
		capture sbx upload --json "/dev/shm/sbx-views-$$-$n"
		rm "/dev/shm/sbx-views-$$-$n"
		ok
		as_stored f
	done
}

@test "a descriptor in the middle of its file gives what follows" {
	head -c 3000000 /dev/urandom >f
	exec 7<f
	head -c 1000000 <&7 >/dev/null
	local at
	at=$(sed -n 's/^pos:\t*//p' /proc/self/fdinfo/7)
	request upload '{"files":[{"name":"f","fd":7}]}'
	exec 7<&-
	ok
	tail -c +$((at + 1)) f >rest
	as_stored rest
}

@test "a file that grows while it is read: the hash is that of what is stored" {
	head -c 20000000 /dev/urandom >f
	(for _ in $(seq 200); do head -c 100000 /dev/urandom; done >>f) &
	capture sbx upload --json f
	wait
	ok
	sbx get -o "$TMP/back" "$(jq -r '.files[0].id' "$TMP/.out")"
	has '.files[0].sha256 == $h' --arg h "$(sha256sum <"$TMP/back" | cut -d' ' -f1)"
	cmp -n "$(jq '.files[0].size' "$TMP/.out")" f "$TMP/back"
}

# bats test_tags=slow
@test "1 GiB is stored, read in place by a run with 256 MiB, and not copied" {
	config '{"upload_bytes":3000000000}'
	# most of it is a hole: the bytes that count are at the borders
	truncate -s 1G f
	for at in 0 268435455 536870912 1073741823; do
		printf X | dd of=f bs=1 seek=$at conv=notrunc status=none
	done
	capture sbx upload --json f
	ok
	session=$(jq -r .session "$TMP/.out")
	has '.files[0].size == 1073741824 and .files[0].sha256 == $h' --arg h "$(sha256sum f | cut -d' ' -f1)"
	python 'f = open("f", "rb")
n = count = 0
while b := f.read(1 << 20):
    n += len(b); count += b.count(b"X")
print(n, count)' "$(in_session '{"limits":{"memory_bytes":268435456,"scratch_bytes":1048576}}')"
	ok
	has '.status == "success" and .stdout == "1073741824 4\n" and .usage.scratch_bytes < 1048576'
	has '.timing.stage_ms < 2000'
}
