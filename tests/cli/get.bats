#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
load ../helpers

@test "get gives the bytes by id, by short id and by name" { # S1-03
	head -c 3000000 /dev/urandom >in.bin
	capture sbx upload --json in.bin
	ok
	session=$(jq -r .session "$TMP/.out")
	id=$(jq -r '.files[0].id' "$TMP/.out")
	sbx get "$id" >out1
	cmp in.bin out1
	sbx get in.bin >out2
	cmp in.bin out2
	sbx get -s "$session" ./in.bin | cmp in.bin -
	request ls "$(in_session '{"id_form":"short"}')"
	local short
	short=$(jq -r '.files[0].id' "$TMP/.out")
	sbx get -- "$short" | cmp in.bin -
	sbx get "$id" | cat | cmp in.bin -
}

@test "-o writes a whole file or none" {
	upload a.txt new
	echo old >out.txt
	capture sbx get -s "$session" a.txt -o out.txt
	equals "$status" 0
	equals "$(<out.txt)" new
	[ -z "$output" ]
	capture sbx get -s "$session" nope -o out.txt
	[ "$status" -eq 66 ]
	equals "$(<out.txt)" new
	capture sbx get -s "$session" a.txt -o no/such/dir/out.txt
	[ "$status" -eq 73 ]
	mkdir dir
	capture sbx get -s "$session" a.txt -o dir
	[ "$status" -ne 0 ]
	equals "$(find . -name '*.part*')" ""
}

@test "-o does not follow a link that waits under its name" {
	upload a.txt new
	echo victim >victim
	ln -s victim out.txt
	capture sbx get -s "$session" a.txt -o out.txt
	equals "$status" 0
	equals "$(<victim)" victim
	equals "$(<out.txt)" new
	[ ! -L out.txt ]
}

@test "in JSON an output is needed" {
	upload a.txt x
	request get "$(in_session '{"name":"a.txt"}')"
	refused E_REQUEST
	request get "$(in_session "{\"name\":\"a.txt\",\"out\":\"$PWD/o\"}")"
	ok
	has '.name == "a.txt" and .size == 1 and .id == $i' --arg i "$id"
	request get "$(in_session "{\"out\":\"$PWD/o\"}")"
	refused E_REQUEST
}

@test "an older revision gives the older bytes" {
	upload a one
	upload a two "$(in_session)"
	sbx get -s "$session" -r 1 a >got
	equals "$(<got)" one
	sbx get -s "$session" a >got
	equals "$(<got)" two
	capture sbx get -s "$session" -r 7 a
	[ "$status" -eq 66 ]
}

@test "a name that looks like an id is got with --name" {
	upload "$ABSENT" strange
	capture sbx get -s "$session" "$ABSENT"
	[ "$status" -eq 66 ]
	sbx get -s "$session" --name "$ABSENT" >got
	equals "$(<got)" strange
	sbx get -s "$session" "./$ABSENT" >got
	equals "$(<got)" strange
}

@test "--all is a tar that tar reads, with long and strange names" {
	local long
	long="$(printf 'dir%.0s' {1..30})/$(printf 'n%.0s' {1..190}).txt"
	request upload "$(jq -cn --arg l "$long" '{files: [{name: "a.txt", content: "A"}, {name: "é 日本/b.txt", content: ("B" * 1000)},
		{name: $l, content: "L"}, {name: "empty", content: ""}, {name: "-dash", content: "d"}]}')"
	ok
	session=$(jq -r .session "$TMP/.out")
	sbx get -s "$session" --all >all.tar
	tar -tf all.tar >list
	equals "$(wc -l <list)" 5
	mkdir x
	tar -C x -xf all.tar
	equals "$(<x/a.txt)" A
	equals "$(wc -c <'x/é 日本/b.txt')" 1000
	equals "$(<"x/$long")" L
	equals "$(<x/-dash)" d
	[ ! -s x/empty ]
	sbx get -s "$session" --all -o other.tar
	cmp all.tar other.tar
	python3 -c 'import tarfile,sys; assert len(tarfile.open("all.tar").getmembers()) == 5' || command -v python3 >/dev/null && true
}

@test "--all of an empty session is an empty tar" {
	python 1
	session=$(jq -r .session "$TMP/.out")
	sbx get -s "$session" --all >all.tar
	equals "$(tar -tf all.tar)" ""
}

@test "a reader that goes away ends get, quietly or with an error, but ends it" {
	head -c 20000000 /dev/zero >z
	sbx upload z >/dev/null
	timeout 60 "$BUILD/sbx" get z | head -c 10 >/dev/null
	[ "${PIPESTATUS[0]}" -ne 124 ]
}

@test "a full output is an error, not success" {
	[ -w /dev/full ] || lacking /dev/full
	upload a "$(printf 'x%.0s' {1..5000})"
	status=0
	sbx get -s "$session" a >/dev/full 2>"$TMP/.err" || status=$?
	[ "$status" -ne 0 ]
	status=0
	sbx get -s "$session" --all >/dev/full 2>"$TMP/.err" || status=$?
	[ "$status" -ne 0 ]
}

@test "what is removed is not to be had any more, by id neither" {
	upload a x
	request rm "$(in_session '{"files":["a"]}')"
	ok
	capture sbx get "$id"
	[ "$status" -eq 66 ]
	capture sbx get -s "$session" a
	[ "$status" -eq 66 ]
}
