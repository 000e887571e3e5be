#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# bats file_tags=security
# As inside a container: without this or that of the kernel. sbx runs with what its configuration permits and
# says so, or refuses and names the remedy.
load ../helpers

# inside SCRIPT: an exec request of a small program, after SCRIPT as root of an outer user namespace.
CODE='{"lang": "python", "code": "print(6 * 7)"}'
inside() {
	needs mount || return 1
	status=0
	printf '%s' "${2:-$CODE}" >request.json
	unshare -r -m -p -f --mount-proc bash -c "set -e; $1
		exec unshare -U --map-user=1000 --map-group=1000 '$BUILD/sbx' exec --request request.json" \
		>"$TMP/.out" 2>"$TMP/.err" </dev/null || status=$?
	output=$(<"$TMP/.out") errors=$(<"$TMP/.err")
}
# denied ERRNO CALL...: the same where these calls fail
denied() {
	status=0
	printf '%s' "${REQUEST:-$CODE}" >request.json
	"$BUILD/deny" "$@" -- "$BUILD/sbx" exec --request request.json >"$TMP/.out" 2>"$TMP/.err" </dev/null || status=$?
	output=$(<"$TMP/.out") errors=$(<"$TMP/.err")
}
runs() { ok && has '.stdout == "42\n"'; }
remedy() { has '(.error.message + " " + (.error.hint // "")) | test($r)' --arg r "$1"; }

@test "the twin: in an outer user namespace where nothing is missing it runs with every layer" {
	inside :
	runs
	has '.isolation.proc == "fresh" and .isolation.seccomp != null'
}

@test "a masked /proc: refused with the remedy, or empty where the configuration permits it" {
	local mask='mount --bind /dev/null /proc/keys'
	inside "$mask"
	refused E_ISOLATION
	remedy '"proc": "empty"'
	config '{"proc":"empty"}'
	inside "$mask"
	runs
	has '.isolation.proc == "empty"'
	inside "$mask" '{"lang": "python", "code": "1", "require": ["proc"]}'
	refused E_ISOLATION
}

@test "an empty /proc takes no limit away: memory, processes and time hold" {
	config '{"proc":"empty","cgroup":"off"}'
	inside 'mount --bind /dev/null /proc/keys' '{"lang": "python", "limits": {"memory_bytes": 134217728, "wall_ms": 8000},
		"code": "import os\nfor i in range(4):\n    if os.fork() == 0: break\na = []\nfor i in range(100): a.append(bytearray(b\"x\" * (4 << 20)))\nprint(\"HAD IT\")"}'
	ok
	has '.isolation.proc == "empty" and .status == "memory_limit" and (.stdout | contains("HAD IT") | not)'
	# what has lost its parent is still seen
	inside 'mount --bind /dev/null /proc/keys' '{"lang": "bash", "limits": {"memory_bytes": 134217728, "wall_ms": 8000},
		"code": "(setsid python3 -c \"a = [bytearray(b\\\"x\\\" * (4 << 20)) for i in range(100)]; print(\\\"HAD IT\\\")\" &) ; sleep 7"}'
	ok
	has '.status == "memory_limit" and (.stdout | contains("HAD IT") | not)'
	inside 'mount --bind /dev/null /proc/keys' '{"lang": "python", "limits": {"cpu_ms": 1000, "wall_ms": 20000},
		"code": "import os\nfor i in range(2): os.fork()\nwhile True: pass"}'
	ok
	has '.limits_hit == ["cpu_ms"]'
}

@test "no further user namespace, by number or by a container's filter: refused with the remedy" {
	status=0
	printf '%s' "$CODE" >request.json
	unshare -U --map-user=1000 --map-group=1000 --keep-caps bash -c "echo 0 >/proc/sys/user/max_user_namespaces
		exec '$BUILD/sbx' exec --request request.json" >"$TMP/.out" 2>"$TMP/.err" || status=$?
	output=$(<"$TMP/.out") errors=$(<"$TMP/.err")
	refused E_ISOLATION
	remedy 'max_user_namespaces.*sbx doctor'
	denied 1 clone:0:0x10000000	# EPERM, CLONE_NEWUSER
	refused E_ISOLATION
	remedy 'seccomp.*sbx doctor'
	denied 22 clone:0:0x10000000
	refused E_ISOLATION
}

@test "no Landlock, whatever the errno: runs and says so, or is refused where it is required" {
	local e
	for e in 1 38 95; do
		denied $e landlock_create_ruleset
		runs || return 1
		has '.isolation.landlock == null' || return 1
		REQUEST='{"lang": "python", "code": "1", "require": ["landlock"]}' denied $e landlock_create_ruleset
		refused E_ISOLATION || return 1
		REQUEST='{"lang": "python", "code": "1", "profile": "strict"}' denied $e landlock_create_ruleset
		refused E_ISOLATION || return 1
	done
}

@test "a ruleset that cannot be enforced is an error, not a run without it" {
	denied 1 landlock_restrict_self
	refused E_ISOLATION
}

@test "no user notification: runs without a list of what was blocked, and says so" {
	denied 16 seccomp:1:8	# EBUSY, SECCOMP_FILTER_FLAG_NEW_LISTENER
	runs
	has '.isolation.notify == false'
	REQUEST='{"lang": "python", "code": "import ctypes\nl = ctypes.CDLL(None, use_errno=True)\nprint(l.syscall(272, 0x10000000), ctypes.get_errno())"}' \
		denied 16 seccomp:1:8
	ok
	has '.stdout == "-1 1\n"'
}

@test "no filter at all, no mounts, no keyrings: never less than what a jail promises" {
	denied 22 seccomp
	refused E_ISOLATION
	denied 1 fsopen
	refused E_ISOLATION
	denied 1 move_mount
	refused E_ISOLATION
	denied 1 pivot_root
	refused E_ISOLATION
	denied 38 keyctl
	runs
	has '.isolation.keyring == false'
}

@test "doctor names each of them, with a remedy, and its exit status says whether sbx can run" {
	needs mount
	capture "$BUILD/deny" 1 clone:0:0x10000000 unshare:0:0x10000000 -- "$BUILD/sbx" doctor
	equals "$status" 71
	capture "$BUILD/deny" 38 landlock_create_ruleset -- "$BUILD/sbx" doctor --json
	equals "$status" 0
	has '[.. | objects | select((.name? // "") | test("landlock"; "i"))] | length >= 1'
}
