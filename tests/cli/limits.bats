#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
load ../helpers

limited() { python "$1" "{\"limits\":$2}"; }

@test "the clock ends a run: timeout" { # S0-10, S0-36, S4-74, S4-02, S4-68
	limited 'import time
print("begin", flush=True)
time.sleep(30)' '{"wall_ms":500}'
	ok
	has '.status == "timeout" and .limits_hit == ["wall_ms"] and .exit_code == null and .stdout == "begin\n" and .limits.wall_ms == 500'
	has '.usage.wall_ms >= 450 and .usage.wall_ms < 10000 and .committed == false'
}

@test "the clock ends one that ignores every signal" {
	limited 'import signal, time
for s in range(1, 65):
    try: signal.signal(s, signal.SIG_IGN)
    except (OSError, ValueError): pass
while True: time.sleep(1)' '{"wall_ms":500}'
	ok
	has '.status == "timeout"'
}

@test "a clock that ends before the jail stands is a timeout too" {
	request exec '{"argv":["sleep","3"],"limits":{"wall_ms":1}}'
	ok
	has '.status == "timeout" and .limits_hit == ["wall_ms"] and .committed == false and .files == []'
}

@test "an infinite loop meets its CPU time" { # S2-27, S0-63, S4-02, S4-68
	limited 'while True: pass' '{"cpu_ms":400,"wall_ms":20000}'
	ok
	has '.status == "cpu_limit" and .limits_hit == ["cpu_ms"] and .usage.cpu_ms >= 300'
}

@test "CPU time is summed over all processes" {
	bash_code 'for i in 1 2 3 4; do while :; do :; done & done; wait' '{"limits":{"cpu_ms":600,"wall_ms":20000}}'
	ok
	has '.status == "cpu_limit"'
}

@test "memory taken bit by bit meets the limit" { # S0-37, S2-28, S4-02, S4-68
	limited 'import time
x = []
while True:
    x.append(b"x" * (1 << 20)); time.sleep(0.005)' '{"memory_bytes":67108864}'
	ok
	has '.status == "memory_limit" and (.limits_hit | index("memory_bytes") != null)'
}

@test "memory taken by many processes is summed" {
	limited 'import os, time
for i in range(6):
    if os.fork() == 0:
        x = []
        for k in range(30): x.append(b"x" * (1 << 20)); time.sleep(0.02)
        time.sleep(20); os._exit(0)
time.sleep(20)' '{"memory_bytes":67108864,"wall_ms":15000}'
	ok
	has '.status == "memory_limit"'
}

@test "one great allocation is refused or ends the run, and never succeeds" {
	limited 'x = bytearray(2 << 30); print("HELD")' '{"memory_bytes":67108864}'
	ok
	has '.status != "success" and (.stdout | contains("HELD") | not)'
}

@test "memory in shared mappings and files of memory counts too" {
	limited 'import mmap, time
m = []
while True:
    a = mmap.mmap(-1, 4 << 20); a.write(b"x" * (4 << 20)); m.append(a); time.sleep(0.01)' '{"memory_bytes":67108864}'
	ok
	has '.status == "memory_limit"'
	limited 'import time
f = open("/dev/shm/x", "wb")
while True: f.write(b"x" * (1 << 20)); f.flush(); time.sleep(0.005)' '{"memory_bytes":67108864}'
	ok
	has '.status == "memory_limit" or .status == "disk_limit"'
}

@test "within its limit a run may use memory" {
	limited 'x = bytearray(100 << 20); print(len(x))' '{"memory_bytes":268435456}'
	ok
	has '.status == "success" and .stdout == "104857600\n"'
}

@test "a fork bomb is ended and disturbs nobody" { # S2-29, S0-40
	bash_code 'bomb() { bomb | bomb & }; bomb; wait; sleep 1; exit 1' '{"limits":{"wall_ms":4000}}'
	ok
	has '.status == "process_limit" or .status == "timeout" or .status == "error"'
	python 'print(1)'
	ok
	has '.stdout == "1\n"'
}

@test "processes above the limit are refused" {
	limited 'import os, time
n = 0
try:
    while n < 50:
        if os.fork() == 0: time.sleep(10); os._exit(0)
        n += 1
except OSError as e: print(n, e.errno)
time.sleep(0.3)
raise SystemExit(1)' '{"processes":10}'
	ok
	has '.stdout == "9 11\n" and .status == "process_limit" and .limits_hit == ["processes"]'
}

@test "threads count as processes" {
	limited 'import threading, time
n = 0
try:
    while n < 50:
        threading.Thread(target=time.sleep, args=(5,), daemon=True).start(); n += 1
except RuntimeError: print(n)' '{"processes":8}'
	ok
	has '.stdout == "7\n"'
}

@test "two runs at once do not share the process limit" {
	local i
	for i in 1 2 3; do
		echo '{"lang":"python","limits":{"processes":20},"code":"import os,time\nn=0\nfor i in range(15):\n  if os.fork()==0: time.sleep(2); os._exit(0)\n  n+=1\nprint(n)"}' |
			"$BUILD/sbx" exec --request - >out.$i &
	done
	wait
	for i in 1 2 3; do equals "$(jq -r .stdout out.$i)" 15; done
}

@test "open files" {
	limited 'import os
n = 0
try:
    while True: os.open("/dev/null", 0); n += 1
except OSError as e: print(n < 32, e.errno)' '{"open_files":32}'
	ok
	has '.stdout == "True 24\n" and .limits.open_files == 32'
}

@test "a file too large" { # S2-31
	limited 'f = open("a", "wb")
f.write(b"x" * 2000000)' '{"file_bytes":1000000}'
	ok
	has '.status == "disk_limit" or .status == "error"'
	has '.exit_code != 0 and .files == []'
	bash_code 'ulimit -f; exec head -c 2000000 /dev/zero >a' '{"limits":{"file_bytes":1000000}}'
	ok
	has '.status == "disk_limit" and .limits_hit == ["file_bytes"]'
}

@test "bytes of the workspace: ENOSPC inside, disk_limit outside, the store as before" { # S2-39, S4-02, S4-68
	upload keep.txt kept
	python 'f = open("big", "wb")
while True: f.write(b"x" * 65536)' "$(in_session '{"limits":{"scratch_bytes":2097152}}')"
	ok
	has '.status == "disk_limit" and .limits_hit == ["scratch_bytes"] and (.stderr | contains("No space left"))'
	equals "$(names)" keep.txt
	bash_code 'head -c 100000000 /dev/zero >/tmp/x; head -c 100000000 /dev/zero >/dev/shm/x; exit 1' '{"limits":{"scratch_bytes":2097152}}'
	ok
	has '.status == "disk_limit"'
}

@test "ten gigabytes end with the right status and the store as before" {
	upload keep.txt kept
	local sum
	sum=$(store_sum)
	bash_code 'for i in $(seq 200); do head -c 50000000 /dev/zero >f$i || exit 1; done' "$(in_session)"
	ok
	has '.status == "disk_limit"'
	equals "$(store_sum)" "$sum"
}

@test "number of files in the workspace" {
	python 'import os
n = 0
try:
    while True:
        open(f"f{n}", "w").close(); n += 1
except OSError as e: print(n, e.errno)
raise SystemExit(1)' '{"limits":{"scratch_files":100}}'
	ok
	has '.status == "disk_limit" and .limits_hit == ["scratch_files"]'
	has '.stdout | test("^1?[0-9]{2} 28\n$")'
}

# bats test_tags=slow
@test "a million files end with the right status and leave nothing" {
	upload keep.txt kept
	local sum
	sum=$(store_sum)
	python 'for i in range(1000000): open(f"f{i}", "w").close()' "$(in_session)"
	ok
	has '.status == "disk_limit" and .limits_hit == ["scratch_files"] and (.skipped | length <= 201)'
	equals "$(store_sum)" "$sum"
}

@test "output beyond its cap keeps head and tail, is flagged, and changes nothing" { # S2-33, S3-19
	limited 'import sys
sys.stdout.write("HEAD" + "x" * 20000 + "TAIL"); sys.stderr.write("A" + "y" * 5000 + "Z")' '{"stdout_bytes":1000,"stderr_bytes":500}'
	ok
	has '.status == "success" and .stdout_truncated and .stderr_truncated and .stdout_bytes == 20008 and .stderr_bytes == 5002'
	has '(.stdout | startswith("HEADxxx") and endswith("xxxTAIL") and length < 1100)'
	has '(.stderr | startswith("Ayyy") and endswith("yyyZ") and length < 600)'
	has '.exit_code == 0 and (.limits_hit | sort) == ["stderr_bytes","stdout_bytes"]'
}

@test "output of exactly its cap is whole" {
	limited 'print("x" * 999)' '{"stdout_bytes":1000}'
	ok
	has '.stdout_truncated == false and (.stdout | length) == 1000 and .limits_hit == []'
	limited 'print("x" * 1000)' '{"stdout_bytes":1000}'
	ok
	has '.stdout_truncated == true and .stdout_bytes == 1001'
}

@test "output far beyond its cap ends the run: output_limit" {
	bash_code 'yes' '{"limits":{"stdout_bytes":1000,"stderr_bytes":1000}}'
	ok
	has '.status == "output_limit" and .stdout_truncated and (.limits_hit | index("stdout_bytes") != null)'
	bash_code 'yes >&2' '{"limits":{"stdout_bytes":1000,"stderr_bytes":1000}}'
	ok
	has '.status == "output_limit"'
}

@test "a limit that is met without harm is told beside success" {
	limited 'import os, time
try:
    for i in range(30):
        if os.fork() == 0: time.sleep(1); os._exit(0)
except OSError: pass
time.sleep(0.3)' '{"processes":5}'
	ok
	has '.status == "success" and .exit_code == 0 and .limits_hit == ["processes"]'
}

@test "limits are read back from the kernel inside" { # S3-02
	limited 'import resource as r
print(r.getrlimit(r.RLIMIT_NOFILE), r.getrlimit(r.RLIMIT_FSIZE), r.getrlimit(r.RLIMIT_CORE)[0] <= 1, r.getrlimit(r.RLIMIT_STACK)[0])' \
		'{"open_files":100,"file_bytes":12345}'
	ok
	has '.stdout == "(100, 100) (12345, 12345) True 8388608\n"'
}

@test "no core is left by a crash" {
	bash_code 'ulimit -c; kill -SEGV $$'
	ok
	has '.status == "signal" and .files == []'
}

@test "a limit below what is possible is refused" {
	local member
	for member in memory_bytes processes open_files scratch_bytes scratch_files file_bytes wall_ms cpu_ms; do
		limited 1 "{\"$member\":0}"
		refused E_REQUEST "/limits/$member"
		limited 1 "{\"$member\":-1}"
		refused E_REQUEST "/limits/$member"
		limited 1 "{\"$member\":9223372036854775807}"
		[ "$status" -eq 64 ]
	done
}

@test "without a cgroup the answer says so and the limits hold" {
	export SBX_CGROUP=off
	limited 'import time
x = []
while True: x.append(b"x" * (1 << 20)); time.sleep(0.005)' '{"memory_bytes":67108864}'
	ok
	has '.isolation.cgroup == "none" and .status == "memory_limit" and .usage.exact == false'
	limited 'while True: pass' '{"cpu_ms":300}'
	ok
	has '.status == "cpu_limit"'
}

@test "CPU time counts also when nobody waits for the processes that used it" {
	export SBX_CGROUP=off
	limited 'import os, signal, time
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
end = time.monotonic() + 20
while time.monotonic() < end:
    if os.fork() == 0:
        e = time.process_time() + 0.2
        while time.process_time() < e: pass
        os._exit(0)
    try: os.wait()
    except ChildProcessError: pass' '{"cpu_ms":1000,"wall_ms":25000}'
	ok
	has '.status == "cpu_limit" and .usage.cpu_ms >= 1000'
	# and once only where somebody waits: 75 processes of 20 ms
	limited 'import os, time
for i in range(75):
    if os.fork() == 0:
        e = time.process_time() + 0.02
        while time.process_time() < e: pass
        os._exit(0)
    os.wait()
print(sum(os.times()[0:4]))' '{"wall_ms":25000}'
	ok
	has '.status == "success" and (.usage.cpu_ms / 1000 / (.stdout | tonumber) | . > 0.85 and . < 1.1)'
}

@test "without a cgroup one allocation that is too large is told from an error" {
	export SBX_CGROUP=off
	limited 'x = bytearray(300 << 20)' '{"memory_bytes":67108864}'
	ok
	has '.status == "memory_limit" and .exit_code == 1 and .limits_hit == ["memory_bytes"] and .blocked == [] and (.stderr | contains("MemoryError"))'
	limited 'x = bytearray(1 << 40)' '{"memory_bytes":67108864}'
	ok
	has '.status == "memory_limit" and .limits_hit == ["memory_bytes"]'
	# who can do without it succeeds
	limited 'try: bytearray(1 << 33)
except MemoryError: print("less will do")' '{"memory_bytes":67108864}'
	ok
	has '.status == "success" and .stdout == "less will do\n" and .limits_hit == ["memory_bytes"]'
	# what is read-only, shared or no more than that is refused to nobody, and an error is no limit
	limited 'import mmap, os, sys
mmap.mmap(-1, 1 << 34, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | 0x4000, prot=mmap.PROT_READ).close()
mmap.mmap(-1, 300 << 20, flags=mmap.MAP_SHARED | mmap.MAP_ANONYMOUS).close()
mmap.mmap(-1, 200 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
raise MemoryError("a program can say so at any time")' '{"memory_bytes":67108864}'
	ok
	has '.status == "error" and .limits_hit == [] and (.stderr | contains("at any time"))'
	# a program that cannot allocate still has its attacks told
	limited 'import ctypes
libc = ctypes.CDLL(None, use_errno=True)
try: bytearray(1 << 33)
except MemoryError: pass
print(libc.mount(b"a", b"/x", b"tmpfs", 0, None), ctypes.get_errno())' '{"memory_bytes":67108864}'
	ok
	has '.stdout == "-1 1\n" and (.blocked | map([.op, .count]) == [["mount", 1]])'
}

@test "a language that compiles: its program runs, its compiler's words are on stderr, its clock is its own" {
	command -v gcc >/dev/null || lacking gcc
	mkdir -p "$XDG_CONFIG_HOME/sbx/profiles"
	echo '{"extends":"full","root":"host","limits":{"compile_ms":5000}}' >"$XDG_CONFIG_HOME/sbx/profiles/here.json"
	run_code c '#include <stdio.h>
int main(void) { puts("compiled"); return 0; }' '{"profile":"here"}'
	ok
	has '.stdout == "compiled\n" and .timing.compile_ms > 0'
	run_code c 'int main(void) { return nothing; }' '{"profile":"here"}'
	ok
	has '.status == "error" and .compile_failed and (.stderr | contains("nothing")) and .stdout == ""'
	# the wall of the program does not count what the compiler took
	run_code c 'int main(void) { return 0; }' '{"profile":"here","limits":{"wall_ms":300}}'
	ok
	has '.status == "success"'
}
