#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Each code of common/err.c is reached once.
load ../helpers

@test "E_USAGE" { capture sbx ls --json --nope && false || refused E_USAGE; }

@test "E_REQUEST" {
	request exec '{"nope":1}'
	refused E_REQUEST /nope
}

@test "E_LIMIT" {
	python 1 '{"limits":{"processes":65}}'
	refused E_LIMIT /limits/processes
}

@test "E_NOT_FOUND" {
	request ls "{\"session\":\"$ABSENT\"}"
	refused E_NOT_FOUND
}

@test "E_STORAGE" {
	mkdir ro
	chmod 500 ro
	SBX_STORAGE=$PWD/ro/x capture sbx upload --json /etc/hostname
	refused E_STORAGE
	chmod 700 ro
}

@test "E_QUOTA" {
	config '{"upload_bytes":1}'
	request upload '{"files":[{"name":"a","content":"xx"}]}'
	refused E_QUOTA
}

# refused_while PID CODE: the last answer refused with CODE; then the run in the background is ended.
refused_while() {
	local as_it_should=0
	refused "$2" || as_it_should=1
	kill "$1"
	wait "$1" || :
	return $as_it_should
}

@test "E_BUSY: no slot within the time to wait" { # S1-08, S1-24
	config '{"slots_user":1,"slots_total":1,"wait_ms":200,"pressure_percent":0}'
	echo '{"argv":["sleep","30"]}' | "$BUILD/sbx" exec --request - >/dev/null 2>&1 &
	local pid=$!
	until_true 30 sh -c "ls $SBX_STORAGE/*/*/.run/*/in >/dev/null 2>&1"
	python 1
	refused_while $pid E_BUSY
}

@test "E_BUSY: a session in use is not removed" {
	upload a x
	printf '%s' "$(in_session '{"argv":["sleep","30"]}')" | "$BUILD/sbx" exec --request - >/dev/null 2>&1 &
	local pid=$!
	until_true 30 sh -c "ls $SBX_STORAGE/*/$session/.run/*/in >/dev/null 2>&1"
	request rm "$(in_session '{"whole_session":true}')"
	refused_while $pid E_BUSY
}

@test "E_RATE, with the time to come back" { # S0-42, S4-11
	config '{"rate_per_minute":1,"rate_burst":2}'
	python 1
	ok
	python 1
	ok
	python 1
	refused E_RATE
	has '.error.retry_after_ms > 0 and .error.retry_after_ms <= 60000'
}

@test "E_POLICY" {
	python 1 '{"env":{"HOME":"/x"}}'
	refused E_POLICY /env/HOME
}

@test "E_ISOLATION, with a remedy" { # S3-71
	config '{"cgroup":"required"}'
	unshare -Um --map-current-user --keep-caps true 2>/dev/null || lacking "mounts in a user namespace"
	# no cgroup is to be found where none is mounted
	capture unshare -rm sh -c 'mount -t tmpfs none /sys/fs/cgroup && exec unshare -U --map-user='"$(id -u)"' --map-group='"$(id -g)"' "$@"' \
		sh env DBUS_SESSION_BUS_ADDRESS=none XDG_RUNTIME_DIR=/nonexistent "$BUILD/sbx" exec --json --lang python -c 1
	refused E_ISOLATION
	has '.error.hint | length > 0'
}

@test "E_ISOLATION where no user namespace may be made" { # S4-87, S3-71
	unshare -r true 2>/dev/null || lacking "user namespaces"
	capture unshare -r sh -c 'echo 0 >/proc/sys/user/max_user_namespaces && exec unshare -U --map-user='"$(id -u)"' "$@"' sh true
	[ "$status" -ne 0 ] || lacking "a limit on user namespaces"
	# the inner namespace is made first, then no more of them
	capture unshare -r sh -c 'echo 1 >/proc/sys/user/max_user_namespaces && exec unshare -U --map-user='"$(id -u)"' --map-group='"$(id -g)"' "$@"' \
		sh "$BUILD/sbx" exec --json --lang python -c 1
	refused E_ISOLATION
	has '.error.message | contains("namespaces")'
	has '.error.hint | contains("max_user_namespaces")'
}

@test "E_RUNTIME" {
	request exec '{"argv":["no-such-thing"]}'
	refused E_RUNTIME
}

@test "E_CONFIG" {
	config '{"nope":1}'
	capture sbx ls --json
	refused E_CONFIG
}

@test "E_CORRUPT" {
	is_broken_on_purpose=1
	upload a x
	echo changed >"$SBX_STORAGE"/*/"$session/$id.bin"
	request fsck '{}'
	refused E_CORRUPT
}

@test "E_INTERNAL: sbx-jail is not there" {
	mkdir empty
	SBX_LIBEXEC=$PWD/empty capture sbx exec --json --lang python -c 1
	refused E_INTERNAL
	has '(.error.message | contains("sbx-jail")) and (.error.hint | contains("install"))'
}

@test "E_INTERNAL: sbx-jail ends without a report" {
	mkdir fake
	printf '#!/bin/sh\nexit 0\n' >fake/sbx-jail
	chmod 755 fake/sbx-jail
	SBX_LIBEXEC=$PWD/fake capture sbx exec --json --lang python -c 1
	refused E_INTERNAL
	printf '#!/bin/sh\nprintf garbage >&4\n' >fake/sbx-jail
	SBX_LIBEXEC=$PWD/fake capture sbx exec --json --lang python -c 1
	refused E_INTERNAL
}

@test "the manual has each code with its status" {
	[ -f "$SOURCE/man/sbx.1" ] || lacking "the manual"
	local code
	for code in "${!STATUS_OF[@]}"; do
		grep -q "$code" "$SOURCE/man/sbx.1"
	done
}

@test "the table of codes here is the table of the source" {
	local code
	while read -r code value; do
		equals "$code ${STATUS_OF[$code]:-none}" "$code $value"
	done < <(sed -nE 's/.*\{ "(E_[A-Z_]+)", ([0-9]+),.*/\1 \2/p' "$SOURCE/common/err.c")
}
