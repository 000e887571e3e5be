#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# kill -9 at random moments: nothing acknowledged is lost, nothing half-made is visible, nothing stays.
# KILLS: how many times (default 40).
load ../helpers

teardown() {
	nothing_left || return 1
	# a count that a crash lost is put right by repair, and then all is well
	"$BUILD/sbx" fsck --repair --json >"$TMP/.fsck" 2>&1 || { cat "$TMP/.fsck"; return 1; }
	store_is_sound
}

# Waits a random while, then kills what WHO says: sbx, its jail, or process 1 of the jail.
strike() { # PID WHO MAX-MS
	local victim=$1 parent=$1 ms=$((RANDOM % $3 + 1))
	read -r -t "0.$(printf '%03d' $ms)" <> <(:) || :
	case $2 in
	jail) read -r victim _ <"/proc/$1/task/$1/children" || victim= ;;
	init)
		read -r parent _ <"/proc/$1/task/$1/children" && [ -n "$parent" ] &&
			read -r victim _ <"/proc/$parent/task/$parent/children" || victim=
		;;
	esac 2>/dev/null
	[ -z "$victim" ] || kill -9 "$victim" 2>/dev/null || :
	wait "$1" 2>/dev/null || :
}

acknowledged() { holds '.ok == true' "$1" >/dev/null 2>&1; }

# all_or_none COUNT FILES COMMITTED: of each of COUNT groups f<i>.* all FILES are listed or none; all of them
# when the answer o<i> acknowledged the group, by the filter COMMITTED.
all_or_none() {
	local i there
	request ls "$(in_session)"
	ok || return 1
	cp "$TMP/.out" listing
	for ((i = 1; i <= $1; i++)); do
		there=$(jq --arg n "f$i." '[.files[] | select(.name | startswith($n))] | length' listing)
		[ "$there" -eq 0 ] || [ "$there" -eq "$2" ] || { echo "f$i: $there of $2"; return 1; }
		if acknowledged "o$i" && holds "$3" "o$i" >/dev/null; then equals "f$i $there" "f$i $2" || return 1; fi
	done
}

@test "uploads: what was answered is there, whole; what was not is there whole or not at all" {
	upload seed x
	local i n
	n=${KILLS:-40}
	head -c 300000 /dev/urandom >data
	local hash
	hash=$(sha256sum data | cut -d' ' -f1)
	for ((i = 1; i <= n; i++)); do
		in_session "$(jq -cn --arg n "f$i" --arg p "$PWD/data" '{files: [{name: "\($n).a", path: $p}, {name: "\($n).b", path: $p}, {name: "\($n).c", content: "c"}]}')" >r
		"$BUILD/sbx" upload --request r >"o$i" 2>/dev/null &
		strike $! sbx 60
	done
	all_or_none "$n" 3 .ok
	holds --arg h "$hash" '[.files[] | select(.name | endswith(".a"))] | all(.sha256 == $h)' listing >/dev/null
	request get "$(in_session '{"all":true,"out":"'"$PWD/all.tar"'"}')"
	ok
	tar -tf all.tar >/dev/null
}

run_and_strike() { # WHO
	upload seed x
	local i n
	n=$(((${KILLS:-40} + 2) / 3))
	for ((i = 1; i <= n; i++)); do
		in_session "$(jq -cn --arg n "f$i" '{argv: ["sh", "-c", "echo $0 >$0.a; echo $0 >$0.b; sleep 0.02; echo more >>seed", $n]}')" >r
		"$BUILD/sbx" exec --request r >"o$i" 2>/dev/null &
		strike $! "$1" 120
		until_true 10 no_new_process
	done
	all_or_none "$n" 2 .committed
	for ((i = 1; i <= n; i++)); do
		# whoever lived to answer said one document
		[ "$1" = sbx ] || holds -s 'length == 1 and (.[0] | has("ok"))' "o$i" >/dev/null || { cat "o$i"; false; }
	done
	equals "$(find "$SBX_STORAGE" -path '*/.run/*' ! \( -name '.*' -empty \) | wc -l)" 0
	# one that was only being made is an empty directory, see the next test
	find "$SBX_STORAGE" -path '*/.run/.*' -type d -empty -delete
}

@test "runs: sbx is killed" { run_and_strike sbx; } # S3-25
@test "runs: sbx-jail is killed" { run_and_strike jail; } # S3-25
@test "runs: process 1 is killed" { run_and_strike init; }

@test "new sessions: a half-made one is invisible" {
	local i n
	n=$(((${KILLS:-40} + 1) / 2))
	for ((i = 1; i <= n; i++)); do
		echo '{"files":[{"name":"a","content":"x"}]}' >r
		"$BUILD/sbx" upload --request r >"o$i" 2>/dev/null &
		strike $! sbx 30
	done
	request sessions '{}'
	ok
	cp "$TMP/.out" listing
	for ((i = 1; i <= n; i++)); do
		acknowledged "o$i" || continue
		holds --arg s "$(jq -r .session "o$i")" '.sessions | map(select(.session == $s and .files == 1)) | length == 1' listing >/dev/null
	done
	holds '.sessions | all(.files == 1 or .files == 0)' listing >/dev/null
}

@test "what a crash left half-made is removed by gc once it is old" {
	upload a x
	local user
	user=$(dirname "$SBX_STORAGE"/*/"$session")
	mkdir -p "$user/$ABSENT/.manifest"	# a session without its .session.json
	touch -d '3 days ago' "$user/$ABSENT/.manifest" "$user/$ABSENT"
	sbx gc >/dev/null
	sbx fsck --repair >/dev/null
	[ ! -e "$user/$ABSENT" ]
}


@test "what a killed run had only begun to make goes with the next command too" {
	upload a x
	local dir
	dir=$(echo "$SBX_STORAGE"/*/"$session")
	mkdir -p "$dir/.run/.$ABSENT"
	request ls "$(in_session)"
	ok
	equals "$(ls -A "$dir/.run")" "" || { rmdir "$dir/.run/.$ABSENT"; false; }
}

@test "a removal that is killed is finished by the next gc, and its files are not to be had" {
	local i
	for ((i = 1; i <= 10; i++)); do
		request upload "$(jq -cn '{files: [range(200) | {name: "f\(.)", content: "x"}]}')"
		ok
		session=$(jq -r .session "$TMP/.out")
		in_session '{"whole_session":true}' >r
		"$BUILD/sbx" rm --request r >/dev/null 2>&1 &
		strike $! sbx 25
	done
	request gc '{}'
	ok
	equals "$(find "$SBX_STORAGE" -name '.gone-*' | wc -l)" 0
	request sessions '{}'
	ok
}
