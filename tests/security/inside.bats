#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# bats file_tags=security
# An attacker with Python inside: each class of past escapes. What is refused inside is shown to
# work outside by the probes of `sbx attack`; here it is the way a person would write it.
load ../helpers

PRELUDE='import ctypes, errno, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
def call(*a):
    ctypes.set_errno(0)
    return "done" if libc.syscall(*a) >= 0 else errno.errorcode[ctypes.get_errno()]
def tried(f):
    try: return f() or "done"
    except OSError as e: return errno.errorcode[e.errno]
'
# attacker CODE: what it prints, line by line, into output
attacker() {
	python "$PRELUDE$1" "${2:-}"
	ok || return 1
	output=$(jq -r .stdout "$TMP/.out")
}

@test "namespaces, mounts and roots: every call is refused" { # S0-34, S2-20, S0-64
	attacker 'print(call(272, 0x10000000), call(272, 0x20000), call(56, 0x10000000 | 17, 0, 0, 0, 0), call(165, b"none", b"/tmp", b"tmpfs", 0, None),
	call(166, b"/proc", 2), call(155, b".", b"."), call(161, b"/tmp"), call(308, 3, 0), call(428, -100, b"/", 1), call(429, 3, b"", -100, b"/tmp", 0), call(430, b"tmpfs", 0))'
	[[ ! $output =~ done ]] || { echo "$output"; false; }
}

@test "kernel interfaces: ptrace, keyctl, bpf, perf, io_uring, userfaultfd, modules, kexec" {
	attacker 'for n, *a in [(101, 16, 1, 0, 0), (250, 0, 0), (248, b"user", b"x", b"y", 1, -3), (321, 0, 0, 0), (298, 0, 0, -1, -1, 0), (425, 1, 0), (323, 0),
	(175, 0, 0, b""), (313, 0, b"", 0), (246, 0, 0, 0, 0), (320, 0, 0, 0, b"", 0), (303, -100, b"/", 0, 0, 0), (304, 0, 0, 0), (310, 1, 0, 0, 0, 0, 0), (311, 1, 0, 0, 0, 0, 0),
	(312, 1, 1, 0, 0, 0), (438, 1, 0, 0), (319, b"x", 0), (276, 0, 1, 1, 0), (275, 0, 0, 1, 0, 1, 0), (317, 1, 0, 0), (444, 0, 0, 1), (103, 3, 0, 0), (154, 1, 0, 0)]:
    r = call(n, *a)
    if r == "done": print("ESCAPE", n)
print("end")'
	equals "$output" end
}

@test "the old system calls of another architecture kill" {
	attacker 'import mmap
m = mmap.mmap(-1, 4096, prot=7)
print("MAPPED")' || :
	python 'import ctypes, mmap
m = mmap.mmap(-1, 4096, prot=3)
m.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")	# getpid by int 0x80
a = ctypes.addressof(ctypes.c_char.from_buffer(m))
libc = ctypes.CDLL(None)
if libc.mprotect(ctypes.c_void_p(a), 4096, 5): print("refused")
else: print("ALIVE", ctypes.CFUNCTYPE(ctypes.c_int)(a)())'
	ok
	has '.stdout | contains("ALIVE") | not'
	attacker 'print(call(0x40000000 + 39))' || :
	has '.stdout | contains("done") | not'
}

@test "/proc of the jail: no other process, nothing to write, nothing of process 1" {
	attacker 'pids = sorted(int(p) for p in os.listdir("/proc") if p.isdigit())
print(len(pids) <= 3 and max(pids) < 100)
for f in ("environ", "mem", "maps", "auxv", "syscall", "stack", "io"):
    r = tried(lambda: open(f"/proc/1/{f}", "rb").read(1) and None)
    if r == "done" : print("READ", f)
for f in ("fd", "cwd", "root", "exe", "ns/pid", "map_files"):
    r = tried(lambda: (os.listdir if f in ("fd", "map_files") else os.readlink)(f"/proc/1/{f}") and None)
    if r == "done": print("READ", f)
for f in ("sys/kernel/core_pattern", "sys/kernel/hostname", "sys/vm/overcommit_memory", "sysrq-trigger", "self/uid_map", "self/gid_map", "self/setgroups", "1/oom_score_adj"):
    r = tried(lambda: open("/proc/" + f, "w").write("1") and None)
    if r == "done": print("WROTE", f)
for f in ("kcore", "kmsg", "kallsyms", "keys", "timer_list", "sched_debug", "kpagecount", "sysrq-trigger"):
    r = tried(lambda: open("/proc/" + f, "rb").read(64))
    if isinstance(r, bytes) and r.strip(b"\0"): print("READ", f)
print("end")'
	equals "$output" $'True\nend'
}

@test "a path out: dot-dots, links, descriptors, O_PATH, openat" { # S0-28, S0-29
	attacker 'def seen(p):
    try: return os.listdir(p)
    except OSError: return []
root = os.open("/", os.O_PATH)
up = "../" * 40
for p in ("/", up, "/proc/self/root/" + up, "/proc/self/cwd/" + up, f"/proc/self/fd/{root}/" + up, "/proc/1/root/"):
    s = set(seen(p))
    if s - {"bin","dev","etc","home","lib","lib32","lib64","libx32","mnt","proc","run","sbin","tmp","usr","var","workspace","opt"}: print("ESCAPE", p, s)
for p in ("/root", "/boot", "/sys", "/srv", "/media", "/home/" + "x", "/var/lib/dpkg", "/etc/shadow", "/etc/ssh", "/etc/machine-id", "/run/dbus", "/run/systemd", "/dev/sda", "/dev/vda", "/dev/kmsg", "/dev/mem", "/dev/fuse", "/dev/kvm", "/dev/tty", "/dev/ptmx"):
    if os.path.lexists(p): print("THERE", p)
print(os.getcwd(), "end")'
	equals "$output" "/mnt/data end"
}

@test "descriptors: only 0, 1 and 2, and those are pipes or null" { # S0-34
	exec 11</etc/passwd 12</ 13<>"$TMP/leak"
	attacker 'import stat
fds = sorted(int(f) for f in os.listdir("/proc/self/fd"))
print(fds[:3], [f for f in fds[3:] if os.path.lexists(f"/proc/self/fd/{f}")])
print([("pipe" if stat.S_ISFIFO(os.fstat(f).st_mode) else "null" if os.fstat(f).st_rdev == os.makedev(1, 3) else "OTHER") for f in range(3)])
print(os.isatty(0), os.isatty(1), tried(lambda: os.close(os.open("/dev/tty", os.O_RDWR))) != "done")'
	exec 11<&- 12<&- 13<&-
	equals "$output" $'[0, 1, 2] []\n['"'null', 'pipe', 'pipe'"$']\nFalse False True'
}

@test "in the shell form with a terminal's place no descriptor leads to one" {
	command -v script >/dev/null || lacking script
	script -qec "$BUILD/sbx exec -- sh -c 'tty; test -t 0 && echo TTY0; test -t 1 && echo TTY1; test -t 2 && echo TTY2; ls -l /proc/self/fd | grep -c -e pts -e tty'" /dev/null >out 2>&1 </dev/null || :
	! grep -q TTY out
}

@test "identity: uid 1000, no group, no capability, no way to more" { # S1-39, S2-21, S2-35, S2-36, S4-06, S4-07, S4-70, S4-73
	attacker 'print(os.getresuid(), os.getresgid(), [g for g in os.getgroups() if g != 1000])
s = open("/proc/self/status").read()
print([l.split()[1].strip("0") for l in s.splitlines() if l.startswith("Cap")], [l.split()[1] for l in s.splitlines() if l.startswith(("NoNewPrivs", "Seccomp:"))])
print(tried(lambda: os.setuid(0)), tried(lambda: os.setgroups([0])), tried(lambda: os.chown("/mnt/data", 0, 0)))
print(any(os.stat(os.path.join(d, f)).st_mode & 0o4000 and not (os.statvfs(os.path.join(d, f)).f_flag & os.ST_NOSUID) for d in ("/usr/bin",) for f in os.listdir(d) if os.path.exists(os.path.join(d, f))))'
	equals "$(sed -n 1p <<<"$output")" "(1000, 1000, 1000) (1000, 1000, 1000) $(nobody_groups)"
	equals "$(sed -n 2p <<<"$output")" "['', '', '', '', ''] ['1', '2']"
	[[ ! $(sed -n 3p <<<"$output") =~ done ]]
	equals "$(sed -n 4p <<<"$output")" False
}

@test "the environment is built from a list: a canary of the caller is nowhere" { # S0-31, S0-60
	export CANARY_SECRET=canary-7f3a9b AWS_SECRET_ACCESS_KEY=canary-7f3a9b LD_PRELOAD_X=canary-7f3a9b
	attacker 'import glob
print(sorted(os.environ))
found = []
for f in glob.glob("/proc/*/environ") + glob.glob("/proc/*/cmdline") + glob.glob("/proc/*/task/*/environ"):
    try:
        if b"canary" in open(f, "rb").read(): found.append(f)
    except OSError: pass
print(found, "canary" in open("/proc/self/mountinfo").read())'
	! grep -q canary "$TMP/.out"
	equals "$(sed -n 2p <<<"$output")" "[] False"
	has '.stdout | contains("SBX_STORAGE") | not'
	bash_code 'env; cat /proc/*/environ 2>/dev/null; kill -SEGV $$' '{"commit":"always"}'
	! grep -q canary "$TMP/.out"
	! grep -rq canary "$SBX_STORAGE" "$SBX_STATE"
	unset CANARY_SECRET AWS_SECRET_ACCESS_KEY LD_PRELOAD_X
}

@test "LD_PRELOAD and its kind of a request act inside only" {
	attacker 'print("inside", os.environ.get("LD_PRELOAD"))' '{"env":{"LD_PRELOAD":"/nonexistent.so","PYTHONSTARTUP":"/x"}}'
	[[ $output =~ inside ]]
}

# --- network --------------------------------------------------------------------------------------
@test "no route, no name, no host loopback" { # S0-32, S0-61, S1-38, S2-34, S4-04, S4-71
	command -v python3 >/dev/null || lacking python3
	python3 -c 'import socket,time
s=socket.socket(); s.bind(("127.0.0.1",0)); s.listen(); print(s.getsockname()[1], flush=True); time.sleep(60)' >port &
	local pid=$!
	until_true 20 grep -q . port
	attacker "PORT = $(<port)"'
def tcp(a, p, f=socket.AF_INET):
    s = socket.socket(f); s.settimeout(2); s.connect((a, p))
print(tried(lambda: tcp("127.0.0.1", PORT)))
for a in ("192.0.2.1", "169.254.169.254", "10.0.0.1", "8.8.8.8"): print(tried(lambda: tcp(a, 80)))
print(tried(lambda: tcp("::1", PORT, socket.AF_INET6)), tried(lambda: tcp("2001:db8::1", 80, socket.AF_INET6)))
def udp(): socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("8.8.8.8", 53))
print(tried(udp))
try: socket.getaddrinfo("example.com", 80); print("RESOLVED")
except OSError: print("no name")'
	kill $pid
	wait $pid 2>/dev/null || :
	! grep -qE 'done|RESOLVED' <<<"$output" || { echo "$output"; false; }
	grep -q 'no name' <<<"$output"
	equals "$(sed -n 1p <<<"$output")" ECONNREFUSED
	equals "$(sed -n 2p <<<"$output")" ENETUNREACH
}

@test "sockets of odd families and raw ones cannot be made" {
	attacker 'for f, t, p in [(16, 3, 0), (17, 3, 0), (2, 3, 1), (2, 2, 1), (10, 3, 58), (38, 5, 0), (40, 1, 0), (21, 5, 0), (33, 2, 0), (9, 5, 0), (29, 3, 1), (31, 3, 0), (44, 3, 0), (2, 5, 132), (2, 1, 262)]:
    r = tried(lambda: socket.socket(f, t, p).close())
    if r == "done": print("MADE", f, t, p)
print("end")'
	equals "$output" end
}

@test "abstract and named sockets of the host are out of reach" {
	python3 -c 'import socket,time
s=socket.socket(socket.AF_UNIX); s.bind("\0sbx-test-abstract"); s.listen(); print("up", flush=True); time.sleep(60)' >up &
	local pid=$!
	until_true 20 grep -q up up
	attacker 'def c(p):
    s = socket.socket(socket.AF_UNIX); s.connect(p)
print(tried(lambda: c("\0sbx-test-abstract")), *(tried(lambda: c(p)) for p in ("/run/dbus/system_bus_socket", "/var/run/docker.sock", "/run/systemd/private", "/tmp/.X11-unix/X0")))'
	kill $pid
	wait $pid 2>/dev/null || :
	[[ ! $output =~ done ]] || { echo "$output"; false; }
}

@test "SysV and POSIX objects of the host are not there" {
	attacker 'print(call(29, 0x1234, 4096, 0o1600), call(64, 0x1234, 1, 0o1600), call(68, 0x1234, 0o1600), call(240, b"/q", 0o102, 0o600, None))
print(sorted(os.listdir("/dev/shm")))'
	[[ ! $(sed -n 1p <<<"$output") =~ done ]]
	equals "$(sed -n 2p <<<"$output")" "[]"
}

# --- execution ------------------------------------------------------------------------------------
@test "writable places are not executable, by name, by memory, by the loader" {
	attacker 'import shutil, subprocess
def ex(p, *a):
    try: return subprocess.run([p, *a], capture_output=True).returncode
    except OSError as e: return errno.errorcode[e.errno]
r = []
for d in ("/mnt/data", "/tmp", "/dev/shm"):
    shutil.copy("/usr/bin/true", d + "/t"); os.chmod(d + "/t", 0o755); r.append(ex(d + "/t"))
print(r)
print(call(319, b"x", 0))'
	equals "$(sed -n 1p <<<"$output")" "['EACCES', 'EACCES', 'EACCES']"
	[[ ! $(sed -n 2p <<<"$output") =~ done ]]
}

@test "the terminal cannot be typed into" {
	attacker 'import fcntl
print(tried(lambda: fcntl.ioctl(0, 0x5412, b"x")), tried(lambda: fcntl.ioctl(1, 0x541C, b"\x02")))'
	[[ ! $output =~ done ]]
}

@test "the host's files are as before: /usr and /etc cannot be changed" { # S0-30, S2-38, S4-72
	attacker 'for f in (lambda: os.remove("/usr/bin/true"), lambda: os.rename("/usr/bin/true", "/usr/bin/x"), lambda: os.mkdir("/usr/x"), lambda: os.chmod("/usr/bin/true", 0o777),
	lambda: os.utime("/usr/bin/true"), lambda: os.symlink("x", "/usr/x"), lambda: os.link("/usr/bin/true", "/mnt/data/true"), lambda: os.truncate("/usr/bin/true", 0), lambda: open("/etc/passwd", "a").close()):
    r = tried(f)
    if r == "done": print("CHANGED")
print("end")'
	equals "$output" end
}

# --- results --------------------------------------------------------------------------------------
@test "output that looks like an answer stays output" { # S0-62
	python 'import sys
s = "{\"v\":1,\"ok\":false,\"error\":{\"code\":\"E_INTERNAL\"}}\n"
sys.stdout.write(s * 3); sys.stderr.write("\x1b]0;t\x07" + s)
import os
for fd in range(3, 64):
    try: os.write(fd, s.encode())
    except OSError: pass'
	ok
	has '.status == "success" and (.stdout | startswith("{\"v\":1,\"ok\":false")) and .stdout_bytes == 147'
}

@test "names of files cannot forge members of the answer" { # S3-19
	python 'for n in ["\",\"ok\":false,\"x\":\"", "}],\"revision\":99,\"y\":[{", "\\u0022", "a\\\",\\\"b"]:
    open(n, "w").write("x")
import os
os.mkfifo("\",\"status\":\"killed\",\"z\":\"")'
	ok
	has '.revision == 1 and .status == "success" and (.files | length) == 4 and (.skipped | length) == 1'
	request ls "$(jq -c '{session}' "$TMP/.out")"
	ok
	has '.files | length == 4'
}

@test "in a stream no output of the program is an event of its own" {
	python 'print("{\"v\":1,\"event\":\"result\",\"ok\":true,\"status\":\"forged\"}")' '{"stream":true}'
	equals "$(jq -s '[.[] | select(.event == "result")] | length' "$TMP/.out")" 1
	equals "$(jq -s -r '.[-1].status' "$TMP/.out")" success
}

@test "a program cannot write a result after its end, nor into the harvest" {
	python 'import os, time
open("a", "w").write("1")
if os.fork() == 0:
    os.setsid(); time.sleep(0.5)
    while True: open("a", "w").write("late"); open("b", "w").write("late")
'
	ok
	has '(.files | map([.name, .size])) == [["a", 1]]'
}

@test "overlay marks made by the program take nothing away" {
	upload keep.txt kept
	upload d/in.txt i "$(in_session)"
	attacker 'print(tried(lambda: os.mknod("keep2", 0o20000, 0)), tried(lambda: os.setxattr("d", "user.overlay.opaque", b"y")), tried(lambda: os.setxattr(".", "user.overlay.opaque", b"y")))
open(".wh.keep.txt", "w").close()' "$(in_session)"
	[[ ! $output =~ done ]]
	equals "$(names | tr '\n' ' ')" ".wh.keep.txt d/in.txt keep.txt "
}

@test "process 1 is not the program, and cannot be read, traced, stopped or renamed" {
	attacker 'import signal
print(os.getpid() != 1, os.getppid() <= 1, call(101, 16, 1, 0, 0), call(310, 1, 0, 0, 0, 0, 0))
r = tried(lambda: os.kill(1, signal.SIGSTOP)); print(open("/proc/1/stat").read().split()[2] in "SR")'
	[[ $output == True\ True* ]] && [[ ! $(sed -n 1p <<<"$output") =~ done ]]
	equals "$(sed -n 2p <<<"$output")" True
}

@test "many calls of the attack class neither stop the run nor fill the answer" {
	attacker 'for i in range(20000): libc.syscall(272, 0x10000000)
for i in range(200): libc.syscall(165, b"none", (b"/tmp/%d" % i), b"tmpfs", 0, None)
print("end")'
	equals "$output" end
	has '(.blocked | length) <= 32 and (.blocked | map(select(.op == "unshare"))[0].count) == 20000'
}

# --- blocked and require --------------------------------------------------------------------------
@test "blocked lists unshare, mount and ptrace with the errno that the program saw" {
	attacker 'print(call(272, 0x10000000), call(165, b"none", b"/tmp", b"tmpfs", 0, None), call(101, 16, 1, 0, 0))'
	equals "$output" "EPERM EPERM EPERM"
	has '.isolation.notify == true' || lacking "user notification"
	has '.blocked | map([.op, .errno, .count]) == [["unshare","EPERM",1],["mount","EPERM",1],["ptrace","EPERM",1]]'
	has '.blocked | map(select(.op == "mount"))[0].target == "/tmp" and all(has("rule") and has("hint"))'
}

@test "a target that is no text, no address or endless is told harmlessly" {
	attacker 'import ctypes
print(call(165, b"none", b"\xff\x1b[31m\n\"", b"tmpfs", 0, None), call(165, b"none", 1, b"tmpfs", 0, None), call(165, b"none", b"x" * 5000, b"tmpfs", 0, None))'
	has '.blocked | map(.target // "") | all((length <= 160) and (test("[\u0000-\u001f\u007f]") | not))'
	has '.status == "success"'
}

@test "what libc probes is not in blocked" {
	python 'import subprocess, threading, asyncio, tempfile, sqlite3
subprocess.run(["true"]); t = threading.Thread(target=print); t.start(); t.join(); asyncio.run(asyncio.sleep(0))'
	ok
	has '.blocked == [] and .status == "success"'
}

@test "require can only ask for more, and an unknown layer is refused" { # S3-71
	python 1 '{"require":["landlock","seccomp","overlay","proc"]}'
	[ "$status" -eq 0 ] || refused E_ISOLATION
	python 1 '{"require":["nope"]}'
	refused E_REQUEST /require/0
	python 1 '{"require":"landlock"}'
	refused E_REQUEST /require
	python 1 '{"require":["cgroup"]}'
	if [ "$status" -eq 0 ]; then has '.isolation.cgroup != "none"'; else refused E_ISOLATION; fi
	SBX_CGROUP=off python 1 '{"require":["cgroup"]}'
	if [ "$status" -eq 0 ]; then has '.isolation.cgroup != "none"'; else refused E_ISOLATION; fi
	config '{"require":["landlock"]}'
	python 1
	if [ "$status" -eq 0 ]; then has '.isolation.landlock >= 2'; else refused E_ISOLATION; fi
}

@test "code cannot ask for less: no member of a request switches a layer off" { # S3-71
	local member
	for member in seccomp landlock network root mounts exec_writable isolation workspace cgroup namespaces uid; do
		python 1 "{\"$member\":null}"
		refused E_REQUEST "/$member"
	done
}
