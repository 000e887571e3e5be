#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# No process outlives its run, whatever it did to be forgotten.
load ../helpers

DAEMON='import os, signal, sys, time
if os.fork() == 0:
    os.setsid()
    for s in range(1, 65):
        try: signal.signal(s, signal.SIG_IGN)
        except (OSError, ValueError): pass
    if os.fork() == 0:
        os.setsid()
        for f in (0, 1, 2): os.close(f)
        while True:
            time.sleep(0.2)
            try: open("/tmp/alive", "a").write("x")
            except OSError: pass
    os._exit(0)
'

@test "a daemon that double-forked, called setsid and ignores signals is dead when exec returns" { # S0-38
	python "$DAEMON"'
time.sleep(0.3); print("done")'
	ok
	has '.status == "success" and .stdout == "done\n"'
	no_new_process
}

@test "so it is when it holds the output open" {
	bash_code 'setsid sh -c "trap \"\" TERM HUP INT; sleep 60; sleep 60" & setsid sleep 100 & disown -a; echo out'
	ok
	has '.stdout == "out\n" and .usage.wall_ms < 20000'
	no_new_process
}

@test "so it is after a timeout" {
	python "$DAEMON"'
time.sleep(60)' '{"limits":{"wall_ms":600}}'
	ok
	has '.status == "timeout"'
	no_new_process
}

@test "a thousand children of children are gone at once" {
	bash_code 'for i in $(seq 30); do (setsid sleep 100 &) ; done; exit 3'
	ok
	has '.exit_code == 3'
	no_new_process
}

killed_caller() { # SIGNAL
	jq -cn --arg c "$DAEMON"'
open("started", "w").close()
time.sleep(60)' '{lang: "python", code: $c}' >r.json
	"$BUILD/sbx" exec --request r.json >o.json 2>&1 &
	local pid=$!
	until_true 30 sh -c "ls $SBX_STORAGE/*/*/.run/*/in >/dev/null 2>&1 && [ \$(cat /proc/$pid/task/$pid/children | wc -w) -gt 0 ]"
	until_true 30 eval '[ "$(own_processes | wc -l)" -ge 5 ]'
	kill "-$1" $pid
	wait $pid || :
	until_true 10 no_new_process
	sbx gc --json >"$TMP/.out"
}

@test "and when sbx is killed in the middle of it" { # S0-38
	killed_caller KILL
}

@test "and when sbx is asked to end, which still answers" {
	killed_caller TERM
	holds '.ok and .status == "killed"' o.json >/dev/null || { cat o.json; false; }
}

@test "and when the person presses interrupt" {
	killed_caller INT
	holds '.ok and .status == "killed"' o.json >/dev/null || { cat o.json; false; }
}

@test "a run whose supervisor is killed answers and leaves nothing" {
	echo '{"argv":["sleep","60"]}' >r.json
	"$BUILD/sbx" exec --request r.json >o.json 2>&1 &
	local pid=$! jail
	until_true 30 sh -c "grep -q . /proc/$pid/task/$pid/children"
	until_true 30 eval '[ "$(own_processes | wc -l)" -ge 4 ]'
	read -r jail _ <"/proc/$pid/task/$pid/children" || [ -n "$jail" ]
	kill -9 "$jail"
	wait $pid || :
	holds '.ok == false and .error.code == "E_INTERNAL"' o.json >/dev/null || { cat o.json; false; }
	until_true 10 no_new_process
}

@test "a run whose process 1 is killed answers and leaves nothing" {
	echo '{"argv":["sleep","60"],"commit":"always"}' >r.json
	"$BUILD/sbx" exec --request r.json >o.json 2>&1 &
	local pid=$! jail init
	until_true 30 sh -c "grep -q . /proc/$pid/task/$pid/children"
	until_true 30 eval '[ "$(own_processes | wc -l)" -ge 4 ]'
	read -r jail _ <"/proc/$pid/task/$pid/children" || [ -n "$jail" ]
	read -r init _ <"/proc/$jail/task/$jail/children" || [ -n "$init" ]
	kill -9 "$init"
	wait $pid || :
	holds '(.ok and .status == "killed" and .committed == false) or (.ok == false and .error.code == "E_INTERNAL")' o.json >/dev/null || { cat o.json; false; }
	until_true 10 no_new_process
}

@test "the program cannot kill process 1 or the supervisor" {
	python 'import os, signal
for p in (1, os.getppid(), 0, -1):
    for s in (signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP):
        if p <= 0 and s != signal.SIGTERM: continue
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        try: os.kill(p, s)
        except OSError as e: pass
print("still here")'
	ok
	has '.stdout == "still here\n" and .status == "success"'
}

@test "a stopped program meets the clock" {
	bash_code 'kill -STOP $$' '{"limits":{"wall_ms":600}}'
	ok
	has '.status == "timeout"'
}
