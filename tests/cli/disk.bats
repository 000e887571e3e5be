#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A store that is full, read-only or away: precise errors, and what was there is whole.
load ../helpers

# Runs a script with the store on a small tmpfs, as the same user as before.
on_small_disk() { # OPTIONS SCRIPT
	needs mount
	printf '%s\n' 'set -u' "$2" >script
	mkdir -p "$SBX_STORAGE" "$SBX_STATE"
	status=0
	unshare -rm sh -c 'mount -t tmpfs -o "$1" none "$2" && exec unshare -U --map-user="$3" --map-group="$4" bash script' \
		sh "$1" "$SBX_STORAGE" "$(id -u)" "$(id -g)" >"$TMP/.log" 2>&1 || status=$?
	[ $status -eq 0 ] || { cat "$TMP/.log"; return 1; }
}
SAY='S=$BUILD/sbx
code() { jq -r "if .ok then \"ok\" else .error.code end" <<<"$1"; }
is() { [ "$1" = "$2" ] || { echo "is $1, should be $2: ${3:-}"; exit 1; }; }
'

@test "an upload to a full store: E_STORAGE, status 73, not a byte stays" { # S0-67
	on_small_disk size=2m "$SAY"'
first=$("$S" upload --json --name a.txt - <<<hello); is "$(code "$first")" ok "$first"
before=$(df --output=used "$SBX_STORAGE" | tail -n 1)
answer=$(head -c 5000000 /dev/zero | "$S" upload --json --name big - ); status=$?
is "$(code "$answer")" E_STORAGE "$answer"; is $status 73
after=$(df --output=used "$SBX_STORAGE" | tail -n 1); is "$after" "$before"
is "$("$S" get a.txt)" hello
list=$("$S" ls --json); is "$(jq -c ".files | map(.name)" <<<"$list")" "[\"a.txt\"]"
"$S" fsck >/dev/null || exit 1
answer=$("$S" upload --json --name small - <<<again); is "$(code "$answer")" ok'
}

@test "a run whose results do not fit: E_STORAGE, no revision, the store as before" {
	on_small_disk size=2m "$SAY"'
"$S" upload --name a.txt - <<<hello >/dev/null
before=$(df --output=used "$SBX_STORAGE" | tail -n 1)
answer=$("$S" exec --json -- sh -c "echo small >s; head -c 4000000 /dev/zero >big"); status=$?
is "$(code "$answer")" E_STORAGE "$answer"; is $status 73
list=$("$S" ls --json); is "$(jq -c "[.revision, (.files | map(.name))]" <<<"$list")" "[1,[\"a.txt\"]]"
"$S" gc >/dev/null
after=$(df --output=used "$SBX_STORAGE" | tail -n 1)
[ "$after" -le $((before + 8)) ] || { echo "used $before, then $after"; exit 1; }
"$S" fsck >/dev/null || { "$S" fsck; exit 1; }'
}

@test "what a run that failed for want of room had stored already goes again: no unnamed file, no byte counted" {
	on_small_disk size=3m "$SAY"'
first=$("$S" upload --json --name a.txt - <<<hello)
answer=$("$S" exec --json -- sh -c "for i in 1 2 3 4 5 6 7 8; do head -c 500000 /dev/urandom >f\$i; done")
is "$(code "$answer")" E_STORAGE "$answer"
is "$(find "$SBX_STORAGE" -name "*.bin" | wc -l)" 0
is "$(find "$SBX_STORAGE/.ids" -type l | wc -l)" 1
is "$(cat "$SBX_STORAGE"/*/.usage)" 6'
}

@test "a store without inodes: E_STORAGE, nothing half-made" {
	on_small_disk size=8m,nr_inodes=30 "$SAY"'
ok=0
for i in $(seq 40); do
	answer=$("$S" upload --json --name f$i - <<<x) && ok=$((ok + 1)) || is "$(code "$answer")" E_STORAGE "$answer"
done
[ $ok -gt 0 ] && [ $ok -lt 40 ] || exit 1
list=$("$S" ls --json); is "$(jq ".files | length" <<<"$list")" $ok
answer=$("$S" exec --json -- true); is "$(code "$answer")" E_STORAGE "$answer"
"$S" fsck >/dev/null || { "$S" fsck; exit 1; }'
}

@test "a read-only store: reading goes on, writing is E_STORAGE" {
	on_small_disk size=8m "$SAY"'
"$S" upload --name a.txt - <<<hello >/dev/null
chmod -R a-w "$SBX_STORAGE"
is "$("$S" get a.txt)" hello
list=$("$S" ls --json); is "$(code "$list")" ok "$list"
answer=$("$S" upload --json --name b - <<<x); status=$?; is "$(code "$answer")" E_STORAGE "$answer"; is $status 73
answer=$("$S" exec --json -- true); is "$(code "$answer")" E_STORAGE "$answer"'
}

@test "a state that cannot be written does not lose files" {
	mkdir -p "$SBX_STATE"
	upload a x
	chmod 500 "$SBX_STATE"
	request ls "$(in_session)"
	one_document
	python 1 "$(in_session)"
	one_document
	chmod 700 "$SBX_STATE"
	equals "$(names)" a
}
