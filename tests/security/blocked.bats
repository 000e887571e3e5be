#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# bats file_tags=security
# Each call that the filter hands to the supervisor is told by its name, and so many of them are no way to
# slow the run down or to lose its results.
load ../helpers

# The names in the filter that are answered with 'notify', one a line.
notified() {
	jq -r '[.groups[] | (.deny // [])[], (.check // [])[] | select([.. | strings] | any(startswith("notify "))) | .calls[]] | unique[]' \
		"$SOURCE/profiles/seccomp/base.json"
}
number_of() { # by the kernel's own header; newer ones stand in the filter
	local n
	n=$(sed -n "s/^#define __NR_$1 //p" /usr/include/x86_64-linux-gnu/asm/unistd_64.h /usr/include/asm/unistd_64.h 2>/dev/null | head -n 1)
	[ -n "$n" ] || n=$(jq -r --arg n "$1" '.newer[$n] // empty' "$SOURCE/profiles/seccomp/base.json")
	echo "$n"
}
errno_of() {
	jq -r --arg n "$1" '[.groups[] | (.deny // [])[], (.check // [])[] | select(.calls | index($n)) | .. | strings
		| select(startswith("notify "))][0][7:]' "$SOURCE/profiles/seccomp/base.json"
}

@test "every call that the filter hands over is in blocked, by name, once, with the errno that it got" { # S0-61
	local names name calls part='' n=0 want='[]'
	mapfile -t names < <(notified)
	[ ${#names[@]} -ge 30 ]
	for name in "${names[@]}" end; do
		if [ "$name" = end ] || [ $n -eq 20 ]; then
			python "import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
for n, a in [$part]:
    ctypes.set_errno(0); r = libc.syscall(n, a, 0, 0, 0, 0, 0)
    print(errno.errorcode[ctypes.get_errno()] if r < 0 else 'DONE')"
			ok || return 1
			has '.isolation.notify == true' || lacking "user notification" || return 1
			has '[.blocked[] | {op, errno, count}] == $w' --argjson w "$want" || { echo "$want"; return 1; }
			equals "$(jq -r .stdout "$TMP/.out")" "$(jq -r 'map(.errno) | join("\n")' <<<"$want")" || return 1
			part='' n=0 want='[]'
		fi
		[ "$name" != end ] || break
		calls=$(number_of "$name")
		[ -n "$calls" ] || { echo "no number for $name"; return 1; }
		case $name in
		clone) part+="($calls, 0x10000011)," ;;	# a user namespace
		socket) part+="($calls, 38)," ;;	# AF_ALG
		*) part+="($calls, 0)," ;;
		esac
		n=$((n + 1))
		want=$(jq -c --arg n "$name" --arg e "$(errno_of "$name")" '. + [{op: $n, errno: $e, count: 1}]' <<<"$want")
	done
}

# bats test_tags=slow
@test "a hundred thousand refused calls from four threads: all are counted, the results are whole" { # S0-61
	profile flood '{"extends":"default","limits":{"wall_ms":300000,"cpu_ms":300000}}'
	python 'import ctypes, threading, time
libc = ctypes.CDLL(None, use_errno=True)
def attack():
    for i in range(25000):
        if libc.syscall(272, 0x10000000) != -1: print("DONE")
ts = [threading.Thread(target=attack) for _ in range(4)]
begin = time.monotonic(); [t.start() for t in ts]
open("result.txt", "w").write("r" * 1000000)	# meanwhile
[t.join() for t in ts]
print("end")' '{"profile":"flood"}'
	ok
	has '.status == "success" and .stdout == "end\n"'
	has '[.blocked[] | {op, count}] == [{op: "unshare", count: 100000}]'
	has '.files | map(select(.name == "result.txt"))[0].size == 1000000'
	echo "100 000 refused calls: $(jq .timing.run_ms "$TMP/.out") ms" >&3
}

@test "the time limit holds in a flood of refused calls" {
	python 'import ctypes
libc = ctypes.CDLL(None, use_errno=True)
while True: libc.syscall(165, b"none", b"/tmp", b"tmpfs", 0, None)' '{"limits":{"wall_ms":1500}}'
	ok
	has '.status == "timeout" and (.blocked | length) == 1 and .blocked[0].op == "mount" and .blocked[0].count > 10'
}
