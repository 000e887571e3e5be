#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Very many processes at once: rates and slots are exact, nobody starves, nothing is left.
load ../helpers

user_of() { case $(($1 % 3)) in 0) echo crowd-a ;; 1) echo crowd-b ;; *) echo crowd-c ;; esac; }
export -f user_of
no_one_left() {
	capture sbx stats --json && ok && has '.running == 0 and .waiting == 0'
	equals "$(pgrep -c -u "$(id -u)" -x 'sbx|sbx-jail|sbx-init' || :)" 0
}

# With KILLS=111 it is 999 processes; what is usual is done within seconds.
@test "hundreds of processes of three users at once: each user gets exactly the burst, the chain holds" { # S0-42
	local user n=$((${KILLS:-40} * 9))
	config '{"rate_per_minute":1,"rate_burst":17,"fsync":false}'
	mkdir "$TMP/out"
	seq $n | xargs -P $n -I{} bash -c '"$BUILD/sbx" sessions --json -u "$(user_of {})" >"$1/{}" 2>&1 || :' - "$TMP/out"
	equals "$(cat "$TMP/out"/* | wc -l)" $n
	cat "$TMP/out"/* >"$TMP/all"
	for user in crowd-a crowd-b crowd-c; do
		# a token comes back each minute, and the crowd may take longer than one on a slow machine
		holds -es --arg u "$user" --argjson m "$((SECONDS / 60 + 1))" '[.[] | select(.ok and .user == $u)] | length >= 17 and length < 17 + $m' "$TMP/all"
	done
	holds -es 'all(.[] | select(.ok | not); .error.code == "E_RATE" and .error.retry_after_ms > 0 and (.error.message | test("rate")))' "$TMP/all"
	capture sbx stats --json && ok && has '.rate_refused == $n' --argjson n "$(grep -c E_RATE "$TMP/all")"
	capture sbx audit verify --json && ok && has '.intact and .records == $n and .last_seq == $n and (has("torn") | not)' --argjson n "$n"
	capture sbx audit --json --status denied -n 2000 && ok && has '.records | length == $n' --argjson n "$(grep -c E_RATE "$TMP/all")"
	no_one_left
}

@test "many runs of three users wait for few slots: never one above, all served, the small ones first" { # S1-08 S1-24
	local watcher n
	config '{"slots_user":1,"slots_total":2,"wait_ms":120000,"fsync":false}'
	(while [ ! -e "$TMP/done" ]; do "$BUILD/sbx" stats --json | jq -c '[.running, .waiting]'; done >"$TMP/seen") &
	watcher=$!
	mkdir "$TMP/out"
	# one user asks for 40 runs, two for 5 each, all at once
	for n in $(seq 50); do
		user=crowd-a
		[ "$n" -le 40 ] || user=crowd-b
		[ "$n" -le 45 ] || user=crowd-c
		"$BUILD/sbx" exec --json -u $user -l bash -c "exit $((n % 7))" >"$TMP/out/$n" 2>&1 &
		echo $! >>"$TMP/pids"
	done
	# shellcheck disable=SC2046 # a list of numbers
	wait $(cat "$TMP/pids")
	touch "$TMP/done"
	wait $watcher
	cat "$TMP/out"/* >"$TMP/all"
	holds -es 'length == 50 and all(.[]; .ok) and ([.[].timing.wait_ms] | max > 0)' "$TMP/all"
	holds -es 'length > 3 and all(.[]; .[0] <= 2) and any(.[]; .[1] > 0)' "$TMP/seen"
	for n in crowd-a crowd-b crowd-c; do
		sbx history --json -u $n -n 100 | jq -c '[.runs[].time] | sort' >"$TMP/$n"
	done
	# two slots, one a user: both small users are through before three quarters of the large one's runs
	holds -es '.[0] as $a | (.[1][-1] < $a[30]) and (.[2][-1] < $a[30])' "$TMP/crowd-a" "$TMP/crowd-b" "$TMP/crowd-c"
	no_one_left
}
