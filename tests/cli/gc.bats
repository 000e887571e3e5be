#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
load ../helpers

age() { touch -d "$2" "$SBX_STORAGE"/*/"$1"/.session.json; }

@test "gc removes sessions unused for longer than the time to live" { # S2-42
	upload a x
	local old=$session
	upload b y
	age "$old" '3 hours ago'
	capture sbx gc --ttl 2h --dry-run --json
	ok
	has '.removed == 1 and .dry_run == true and .sessions == 2'
	request ls "{\"session\":\"$session\"}"
	ok
	age "$old" '3 hours ago'
	request gc '{"ttl_ms":7200000}'
	ok
	has '.removed == 1'
	request ls "{\"session\":\"$old\"}"
	refused E_NOT_FOUND
	request ls "$(in_session)"
	ok
}

@test "the time to live of the configuration holds without an option" {
	config '{"session_ttl_ms":3600000}'
	upload a x
	age "$session" '2 hours ago'
	request gc '{}'
	ok
	has '.removed == 1'
}

@test "without a time to live nothing expires" {
	upload a x
	age "$session" '1000 days ago'
	request gc '{}'
	ok
	has '.removed == 0'
}

@test "use keeps a session" {
	upload a x
	age "$session" '3 hours ago'
	request ls "$(in_session)"
	ok
	request gc '{"ttl_ms":7200000}'
	has '.removed == 0'
}

@test "gc keeps the whole store below a size, the least recently used goes first" {
	upload a "$(printf 'x%.0s' {1..1000})"
	local one=$session
	upload a "$(printf 'x%.0s' {1..1000})"
	local two=$session
	upload a "$(printf 'x%.0s' {1..1000})"
	age "$two" '3 hours ago'
	age "$one" '2 hours ago'
	request gc '{"total_bytes":2000}'
	ok
	has '.removed == 1'
	request ls "{\"session\":\"$two\"}"
	refused E_NOT_FOUND
	request ls "{\"session\":\"$one\"}"
	ok
}

@test "a session with a run in it is not removed" {
	upload a x
	printf '%s' "$(in_session '{"argv":["sleep","30"]}')" | "$BUILD/sbx" exec --request - >/dev/null 2>&1 &
	local pid=$!
	until_true 30 sh -c "ls $SBX_STORAGE/*/$session/.run/*/in >/dev/null 2>&1"
	age "$session" '3 days ago'
	request gc '{"ttl_ms":1000}'
	ok
	has '.removed == 0 and .in_use == 1'
	kill $pid
	wait $pid || :
	request ls "$(in_session)"
	ok
}

@test "the directory of a dead run is invisible and goes with the next command" {
	upload a x
	local dir
	dir=$(echo "$SBX_STORAGE"/*/"$session")
	mkdir -p "$dir/.run/$ABSENT/in/deep" "$dir/.run/$ABSENT/dirs"
	echo x >"$dir/.run/$ABSENT/in/deep/f"
	chmod 000 "$dir/.run/$ABSENT/in/deep"
	request ls "$(in_session)"
	ok
	has '.files | map(.name) == ["a"]'
	equals "$(ls "$dir/.run")" ""
	mkdir -p "$dir/.run/$ABSENT/in"
	request gc '{}'
	ok
	has '.dead_runs == 1'
	equals "$(ls "$dir/.run")" ""
}

@test "an erasure that was cut short is finished" {
	upload a x
	local user
	user=$(dirname "$SBX_STORAGE"/*/"$session")
	mkdir -p "$user/.gone-$ABSENT/.manifest"
	request gc '{}'
	ok
	has '.unfinished_removals == 1'
	[ ! -e "$user/.gone-$ABSENT" ]
}

@test "the check of the store does not count as using a session" {
	upload a x
	age "$session" '3 hours ago'
	request fsck '{}'
	ok
	request gc '{"ttl_ms":7200000}'
	has '.removed == 1'
}

# --- fsck -----------------------------------------------------------------------------------------
a_store() {
	upload a.txt hello
	python 'open("b.txt","w").write("b")' "$(in_session)"
	ok
	dir=$(echo "$SBX_STORAGE"/*/"$session")
}

@test "a sound store passes" {
	a_store
	request fsck '{}'
	ok
	has '.sessions == 1 and .files == 2 and .wrong == 0 and .unnamed_files == 0'
}

@test "a changed byte is found, and repair does not make it good" {
	a_store
	is_broken_on_purpose=1
	chmod 600 "$dir/$id.txt"
	printf 'hellO' >"$dir/$id.txt"
	request fsck '{}'
	refused E_CORRUPT
	has '(.error.message | contains("hash")) and (.error.message | contains($i))' --arg i "$id"
	request fsck '{"repair":true}'
	refused E_CORRUPT
}

@test "a missing file and a wrong size are found" {
	a_store
	is_broken_on_purpose=1
	printf 'hello world' >"$dir/$id.txt"
	request fsck '{}'
	refused E_CORRUPT
	has '.error.message | contains("size")'
	rm "$dir/$id.txt"
	request fsck '{}'
	refused E_CORRUPT
	has '.error.message | contains("missing")'
	capture sbx get "$id"
	[ "$status" -ne 0 ]
	python 'print(1)' "$(in_session)"
	[ "$status" -ne 0 ]
}

@test "a file that became a link is not followed" { # S1-37, S0-59
	a_store
	is_broken_on_purpose=1
	rm "$dir/$id.txt"
	ln -s /etc/passwd "$dir/$id.txt"
	capture sbx get "$id"
	[ "$status" -ne 0 ]
	[ -z "$output" ]
	request fsck '{}'
	refused E_CORRUPT
	python 'print(open("a.txt").read())' "$(in_session)"
	# the jail's own passwd is all that such a link can lead to
	if [ "$status" -eq 0 ]; then has '.stdout | contains("daemon:") | not'; fi
}

@test "a file that became a FIFO does not hold sbx" {
	a_store
	is_broken_on_purpose=1
	rm "$dir/$id.txt"
	mkfifo "$dir/$id.txt"
	capture timeout 20 "$BUILD/sbx" get "$id"
	[ "$status" -ne 0 ] && [ "$status" -ne 124 ]
	capture timeout 20 "$BUILD/sbx" fsck
	[ "$status" -eq 70 ]
}

@test "the index is rebuilt" {
	a_store
	rm -r "$SBX_STORAGE/.ids"
	request stat "{\"id\":\"$id\"}"
	refused E_NOT_FOUND
	request fsck '{}'
	refused E_CORRUPT
	request fsck '{"repair":true}'
	ok
	has '.repaired == 2'
	request stat "{\"id\":\"$id\"}"
	ok
	request fsck '{}'
	ok
}

@test "an index entry that says something else is read as text, never followed, and mended" {
	a_store
	local link=$SBX_STORAGE/.ids/${id:0:2}/$id text
	for text in /etc/passwd ../../etc "$USER_B/$session/txt" "$(printf 'x%.0s' {1..300})" "a/b/c/d" "//"; do
		ln -sfn "$text" "$link"
		request stat "{\"id\":\"$id\"}"
		refused E_NOT_FOUND
		capture sbx get "$id"
		[ "$status" -eq 66 ] && [ -z "$output" ]
	done
	request fsck '{"repair":true}'
	ok
	request stat "{\"id\":\"$id\"}"
	ok
}

@test "the sum of a user's bytes is mended" {
	a_store
	echo 123456 >"$dir/../.usage"
	request fsck '{}'
	refused E_CORRUPT
	request fsck '{"repair":true}'
	ok
	equals "$(<"$dir/../.usage")" 6
	echo garbage >"$dir/../.usage"
	request fsck '{"repair":true}'
	ok
	equals "$(<"$dir/../.usage")" 6
}

@test "a file that no revision names is found and removed by repair, once it is old" {
	a_store
	echo orphan >"$dir/$ABSENT.txt"
	request fsck '{"repair":true}'
	[ -e "$dir/$ABSENT.txt" ]	# an upload may be about to name it
	rm "$dir/$ABSENT.txt"
	request fsck '{"repair":true}'
	ok
}

@test "a broken manifest is E_CORRUPT for every command, with no crash" {
	a_store
	is_broken_on_purpose=1
	local text n=0
	for text in '' '{' '{"v":1,"files":[1]}' '{"v":1,"files":[{"name":"../x"}]}' \
		'{"v":1,"files":[{"name":"../x","id":"'"$id"'","ext":"txt","sha256":"","mime":"","origin":"run","size":1,"created":1}]}' \
		'{"v":1,"files":[{"name":"x","id":"'"$id"'","ext":"../../../../etc/passwd","sha256":"","mime":"","origin":"run","size":1,"created":1}]}' \
		'{"v":1,"files":[{"name":"x","id":"zz","ext":"txt","sha256":"","mime":"","origin":"run","size":-1,"created":1}]}'; do
		n=$((n + 1))
		printf '%s' "$text" >"$dir/.manifest/2.json"
		request ls "$(in_session)"
		one_document
		[ "$status" -eq 70 ] || { echo "text $n: $text"; show; false; }
		has '.error.code == "E_CORRUPT"'
	done
	rm -f "$dir/.manifest/2.json"
	ln -s /etc/passwd "$dir/.manifest/2.json"
	request ls "$(in_session)"
	[ "$status" -ne 0 ]
	one_document
}

@test "a manifest without its list of files is broken, not empty" {
	a_store
	is_broken_on_purpose=1
	local text
	for text in '[]' '{}' '{"v":1}' '{"v":1,"files":1}' '{"v":1,"files":null}' '{"v":2,"files":[]}'; do
		printf '%s' "$text" >"$dir/.manifest/2.json"
		request ls "$(in_session)"
		refused E_CORRUPT || { echo "text: $text"; false; }
	done
}

@test "an extension of a manifest that is no plain one is broken" {
	a_store
	is_broken_on_purpose=1
	local ext
	for ext in 'x/../y' '/' '..' 'a b' ''; do
		jq -c --arg e "$ext" '.files[0].ext = $e' "$dir/.manifest/1.json" >"$dir/.manifest/3.json"
		request ls "$(in_session)"
		refused E_CORRUPT || { echo "extension: $ext"; false; }
	done
}
