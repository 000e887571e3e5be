# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Loaded by every bats file: each test has a store, a state and a home of its own; afterwards no
# process, mount or half-made thing may be left, and the store must pass its own check.
bats_require_minimum_version 1.5.0

USER_A=65f1c0ffee65f1c0ffee65f1
USER_B=65f1c0ffee65f1c0ffee65f2
ABSENT=11111111-1111-4111-8111-111111111111	# a well-formed id that nothing has

setup() { common_setup; }
teardown() { common_teardown; }

common_setup() {
	: "${BUILD:?BUILD is set by tests/run}" "${SOURCE:?}"
	TMP=$BATS_TEST_TMPDIR
	export HOME=$TMP/home XDG_CONFIG_HOME=$TMP/config SBX_STORAGE=$TMP/store SBX_STATE=$TMP/state
	export SBX_LIBEXEC=$BUILD SBX_PROFILES=$SOURCE/profiles
	unset XDG_STATE_HOME SBX_CONFIG SBX_PROFILE SBX_CGROUP SBX_RUN_AS SANDBOX_STORAGE_PATH
	mkdir -p "$HOME" "$XDG_CONFIG_HOME/sbx/profiles"
	cd "$HOME" || return 1
	is_broken_on_purpose=
	BEFORE=$(own_processes)
	MOUNTS=$(grep -c . /proc/self/mountinfo)
}

common_teardown() {
	nothing_left || return 1
	[ -n "$is_broken_on_purpose" ] || store_is_sound
}

# Processes of this user that are of sbx: by their name, or because they live in a namespace of ours.
own_processes() {
	local mine
	mine=$(sed -n 's/^NSpid:\t*//p' /proc/self/status | wc -w)
	grep -H -E '^(Name|State|Uid|NSpid):' /proc/[0-9]*/status 2>/dev/null | awk -v uid="$(id -u)" -v mine="$mine" '
		{
			split($1, part, "/")
			pid = part[3]
			sub(/^[^:]*:/, "", $1)
		}
		$1 == "Name:" { name = $2 }
		$1 == "State:" { state = $2 }
		$1 == "Uid:" { own = $2 == uid }
		$1 == "NSpid:" && own && state != "Z" && state != "X" {
			if (NF - 1 > mine || name ~ /^sbx(-jail|-init|-type|-scope|-probe)?$/)
				print pid
		}'
}

# until_true SECONDS COMMAND...: true as soon as the command is, false when the time is over.
until_true() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		read -r -t 0.02 <> <(:) || :
	done
}

no_new_process() {
	local pid
	LEFT=
	for pid in $(own_processes); do
		grep -qx "$pid" <<<"$BEFORE" || LEFT+="$pid "
	done
	[ -z "$LEFT" ]
}

nothing_left() {
	local what
	if ! until_true 10 no_new_process; then
		echo "processes are left:"
		# shellcheck disable=SC2086 # a list of numbers
		ps -o pid,ppid,stat,args -p "${LEFT% }"
		return 1
	fi
	what=$(find "$SBX_STORAGE" \( -path '*/.run/*' -o -name '.tmp-*' -o -name '.gone-*' -o -name '*.part-*' \) -prune -print 2>/dev/null)
	if [ -n "$what" ]; then
		echo "left in the store: $what"
		return 1
	fi
	if [ "$(grep -c . /proc/self/mountinfo)" -ne "$MOUNTS" ]; then
		echo "mounts are left"
		return 1
	fi
}

# Everything in the store is named by a revision, has its hash and its place in the index.
store_is_sound() {
	[ -d "$SBX_STORAGE" ] || return 0
	"$BUILD/sbx" fsck --json >"$TMP/.fsck" 2>&1 || { echo "fsck: $(<"$TMP/.fsck")"; return 1; }
	jq -e '.ok and .wrong == 0 and .problems == []' "$TMP/.fsck" >/dev/null || { cat "$TMP/.fsck"; return 1; }
}

# What this machine lacks is a skip, or with SBX_MUST=1 a failure.
lacking() {
	if [ "${SBX_MUST:-0}" = 1 ]; then
		echo "this machine lacks $1"
		return 1
	fi
	skip "lacking $1"
}
needs() {
	case $1 in
	userns) unshare -U true 2>/dev/null || lacking "user namespaces" ;;
	mount) unshare -rm true 2>/dev/null || lacking "mounts in a user namespace" ;;
	*) command -v "$1" >/dev/null || lacking "$1" ;;
	esac
}

# --- calling sbx ----------------------------------------------------------------------------------
sbx() { "$BUILD/sbx" "$@"; }

# Runs a command; sets status, output (stdout) and errors (stderr), each apart.
capture() {
	status=0
	"$@" >"$TMP/.out" 2>"$TMP/.err" || status=$?
	output=$(tr -d '\0' <"$TMP/.out")
	errors=$(tr -d '\0' <"$TMP/.err")
}

# request VERB JSON: one request on stdin, one document back.
request() {
	status=0
	printf '%s' "$2" | sbx "$1" --request - >"$TMP/.out" 2>"$TMP/.err" || status=$?
	output=$(tr -d '\0' <"$TMP/.out")
	errors=$(tr -d '\0' <"$TMP/.err")
}

# run_code LANG CODE [OBJECT]: an exec request; the members of OBJECT come on top.
run_code() {
	local extra=${3:-}
	request exec "$(jq -cn --arg l "$1" --arg c "$2" --argjson x "${extra:-null}" '{lang: $l, code: $c} + $x')"
}
python() { run_code python "$@"; }
bash_code() { run_code bash "$@"; }

# What sbx takes for the name of who calls it.
login_name() {
	local name
	name=$(id -un 2>/dev/null) && echo "$name" || echo "u$(id -u)"
}

# upload NAME CONTENT [OBJECT]: sets session, id, revision.
upload() {
	local extra=${3:-}
	request upload "$(jq -cn --arg n "$1" --arg c "$2" --argjson x "${extra:-null}" '{files: [{name: $n, content: $c}]} + $x')"
	ok || return 1
	session=$(jq -r .session <<<"$output")
	id=$(jq -r '.files[0].id' <<<"$output")
	revision=$(jq -r .revision <<<"$output")
}
in_session() { jq -cn --arg s "$session" --argjson x "${1:-null}" '{session: $s} + $x'; }
content_of() { request get "$(in_session "$(jq -cn --arg n "$1" --arg o "$TMP/.got" '{name: $n, out: $o}')")" && ok >/dev/null && cat "$TMP/.got"; }
names() { request ls "$(in_session)" && jq -r '.files[].name' <<<"$output"; }

show() {
	echo "status: $status"
	head -c 4000 "$TMP/.out"
	echo
	echo "stderr: ${errors:0:1000}"
}

# holds JQ-ARGUMENTS... FILE: what the filter says is true of the file; of an empty one nothing is.
holds() { [ -s "${*: -1}" ] && jq -e "$@"; }

# has FILTER [JQ-ARGUMENTS]: the answer fits.
has() {
	holds "${@:2}" "$1" "$TMP/.out" >/dev/null && return
	echo "does not hold: $1"
	show
	return 1
}

# How many groups the user of the tests has beside the own one: nobody can give them up unprivileged,
# so a jail has them too, as 65534, and says so.
other_groups() { id -G | tr ' ' '\n' | grep -vxc "$(id -g)" || :; }
nobody_groups() {
	local n
	n=$(other_groups)
	echo "[$(for ((; n > 0; n--)); do printf '65534%s' "$([ "$n" = 1 ] || echo ', ')"; done)]"
}

one_document() {
	if [ "$(jq -s length "$TMP/.out" 2>/dev/null)" != 1 ] || [ "$(wc -l <"$TMP/.out")" -ne 1 ]; then
		echo "not exactly one document on one line"
		show
		return 1
	fi
	[ -z "$errors" ] || { echo "something on stderr: $errors"; return 1; }
}

ok() {
	one_document || return 1
	[ "$status" -eq 0 ] || { show; return 1; }
	has '.v == 1 and .ok == true and (has("error") | not)'
}

declare -gA STATUS_OF=([E_USAGE]=2 [E_REQUEST]=64 [E_LIMIT]=64 [E_NOT_FOUND]=66 [E_STORAGE]=73 [E_QUOTA]=73
	[E_BUSY]=75 [E_RATE]=75 [E_POLICY]=77 [E_ISOLATION]=71 [E_RUNTIME]=71 [E_CONFIG]=70 [E_CORRUPT]=70
	[E_INTERNAL]=70)

# refused CODE [POINTER]: the error, its exit status and, when given, the pointer.
refused() {
	one_document || return 1
	has '.v == 1 and .ok == false and .error.code == $c' --arg c "$1" || return 1
	has '(keys - ["error", "ok", "v"]) == [] and (.error | keys - ["code", "hint", "message", "pointer", "retry_after_ms"]) == []' || return 1
	has '.error.message | length > 0 and (test("[\u0000-\u001f\u007f]") | not)' || return 1
	[ "$status" -eq "${STATUS_OF[$1]}" ] || { echo "status $status, not ${STATUS_OF[$1]}"; show; return 1; }
	[ $# -lt 2 ] || has '.error.pointer == $p' --arg p "$2"
}

# refused_words STATUS PATTERN: the shell form: nothing on stdout, a line on stderr.
refused_words() {
	[ "$status" -eq "$1" ] && [ -z "$output" ] && grep -qE -- "$2" "$TMP/.err" && return
	echo "not refused with $1 and '$2'"
	show
	return 1
}

equals() {
	[ "$1" = "$2" ] && return
	printf 'is:     %s\nshould: %s\n' "$1" "$2"
	return 1
}

config() { printf '%s' "$1" >"$XDG_CONFIG_HOME/sbx/config.json"; }
profile() { printf '%s' "$2" >"$XDG_CONFIG_HOME/sbx/profiles/$1.json"; }

# Every file and name of the store but times of use; two equal sums: nothing has changed.
store_sum() {
	(cd "$SBX_STORAGE" && find . -path '*/.run' -prune -o \( -type f -o -type l \) -printf '%p %l\n' | sort &&
		find . -path '*/.run' -prune -o -type f -print0 | sort -z | xargs -0r sha256sum) | sha256sum
}
