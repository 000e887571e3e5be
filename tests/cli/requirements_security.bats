#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What was promised about protection and is proven nowhere else, one test a promise.
load ../helpers

# a directory of programs whose sbx-jail notes that it was started
marked_jail() {
	mkdir -p marked
	# shellcheck disable=SC2016
	printf '#!/bin/sh\n: >%s/started\nexec %s/sbx-jail\n' "$PWD" "$BUILD" >marked/sbx-jail
	chmod 755 marked/sbx-jail
	export SBX_LIBEXEC=$PWD/marked
}
no_jail_was_started() { [ ! -e started ] || { echo "a jail was started"; return 1; }; }

@test "what is refused is refused before there is a jail; rates, ranges, policy and names alike" { # S4-75
	marked_jail
	python 1 '{"limits":{"wall_ms":99999999}}'
	refused E_LIMIT /limits/wall_ms
	python 1 '{"limits":{"wall_ms":-1}}'
	refused E_REQUEST /limits/wall_ms
	python 1 '{"unknown":1}'
	refused E_REQUEST /unknown
	run_code cobol 1
	refused E_POLICY /lang
	python 1 '{"env":{"PATH":"/x"}}'
	refused E_POLICY /env/PATH
	python 1 "{\"session\":\"$ABSENT\"}"
	refused E_NOT_FOUND
	python 1 "{\"files\":[{\"id\":\"$ABSENT\",\"name\":\"x\"}]}"
	refused E_NOT_FOUND /files/0
	no_jail_was_started
	# the mark works: what is allowed does start one
	python 'print(1)' || :
	[ -e started ]
	config '{"rate_per_minute":1,"rate_burst":1}'
	python 1
	rm started
	python 1
	refused E_RATE
	no_jail_was_started
}

@test "code, a command, a shell and a tool all run in a jail of their own; there is no other way" { # S0-35, S3-02, S3-06, S3-20
	local own there what
	profile shop '{"extends":"default","tools":{"run_python":{"description":"Runs Python.","lang":"python"}}}'
	own=$(readlink /proc/self/ns/pid)
	for what in \
		'exec {"lang":"python","code":"import os; print(os.readlink(\"/proc/self/ns/pid\"))"}' \
		'exec {"lang":"bash","code":"readlink /proc/self/ns/pid"}' \
		'exec {"argv":["readlink","/proc/self/ns/pid"]}' \
		'exec {"lang":"python","code":"eval(compile(\"import os; print(os.readlink(\\\"/proc/self/ns/pid\\\"))\", \"x\", \"exec\"))"}' \
		'tool {"name":"run_python","profile":"shop","code":"import os; print(os.readlink(\"/proc/self/ns/pid\"))"}'; do
		request "${what%% *}" "${what#* }"
		ok
		has '.status == "success" and .isolation.method == "userns" and (.isolation.namespaces | length) >= 7'
		there=$(jq -r .stdout "$TMP/.out")
		[[ $there == pid:* ]] && [ "$there" != "$own" ] || { echo "$what: $there, and outside $own"; false; }
	done
}

@test "sbx touches its store and its state, and no other place of the host" { # S3-16
	local before after
	mkdir "$TMP/temporary" elsewhere
	echo x >elsewhere/file
	echo 'print(open("b.txt").read()); open("c.txt", "w").write("c")' >job.py
	echo b >b.txt
	everything() { find "$TMP" -path "$SBX_STORAGE" -prune -o -path "$SBX_STATE" -prune -o -name '.out' -o -name '.err' -o -printf '%p %s %T@ %m\n' | grep -v "^$TMP " | sort; }
	before=$(everything)
	export TMPDIR=$TMP/temporary
	sbx upload b.txt >/dev/null
	sbx exec job.py >/dev/null
	sbx exec --lang bash -c 'cp b.txt /tmp/d.txt; echo 1 >/home/user/e.txt' >/dev/null
	sbx rm b.txt >/dev/null
	sbx gc >/dev/null
	unset TMPDIR
	after=$(everything)
	equals "$after" "$before"
	[ -d "$SBX_STORAGE" ] && [ -d "$SBX_STATE" ]
}

@test "no rule of sudo or polkit, no capability and no setuid bit is asked for" { # S3-09, S3-10, S3-13, S3-55
	local found program
	found=$(cd "$SOURCE" && grep -rIlE 'NOPASSWD|/etc/sudoers|polkit-1|pkexec|setcap |chmod ([ugo]*\+s|[24-7][0-7]{3})|install .*-m *[24-7][0-7]{3}' \
		Makefile build.mk cli common helper typer scope contrib profiles images man completions README.md HACKING.md SECURITY.md \
		--exclude-dir=node_modules --exclude=commands_class.c || :) # that one is a list of commands to deny
	equals "$found" ''
	for program in sbx sbx-jail sbx-type sbx-scope; do
		[ "$(($(stat -c %a "$BUILD/$program") / 1000))" -eq 0 ]
		! command -v getcap >/dev/null || [ -z "$(getcap "$BUILD/$program" 2>/dev/null)" ]
	done
	awk -v RS= '{ gsub(/\n/, " ") } /`sbx` itself needs no rule of `sudo`/ { found = 1 } END { exit !found }' "$SOURCE/README.md"
	# and it is true: without any right and with no sudo in reach it works
	grep -q '^CapEff:[[:space:]]*0*$' /proc/self/status
	PATH=$BUILD:/usr/bin:/bin capture sbx exec --json --lang python -c 'print(6*7)'
	ok
	has '.stdout == "42\n"'
}

@test "runs, counters, history and the log are watched without any right" { # S3-14, S3-38, S3-39, S3-53, S3-61, S3-62, S3-65
	local pid
	[ "$(id -u)" -ne 0 ]
	grep -q '^CapEff:[[:space:]]*0*$' /proc/self/status
	echo '{"lang":"python","code":"import time\nx = bytearray(20 << 20)\nt = time.process_time()\nwhile time.process_time() - t < 0.2: pass\nopen(\"ready\", \"w\").close()\ntime.sleep(60)","profile":"component"}' >job.json
	"$BUILD/sbx" exec --request job.json >job.out 2>&1 &
	pid=$!
	busy() { sbx ps --json >"$TMP/.out" && jq -e '.running | length == 1 and .[0].cpu_ms >= 150 and .[0].memory_bytes > 20000000' "$TMP/.out" >/dev/null; }
	until_true 60 busy
	has '.running[0] | .limits.cpu_ms == 30000 and .limits.memory_bytes == 100000000 and .wall_ms > 0 and .processes >= 1'
	# the process is one of ours, and nobody else's
	has '.running[0].pid == $p' --argjson p "$pid"
	# watched again and again: use beside limit
	capture sbx top --json --interval 100ms
	ok
	has '.running[0] | .exec_id and (.cpu_percent | type == "number") and .memory_bytes > 0 and .limits.memory_bytes == 100000000'
	capture sbx top --interval 100ms --count 3
	equals "$status" 0
	[ "$(grep -o python <<<"$output" | wc -l)" -ge 3 ]
	capture sbx ps --json -u somebody-else
	ok
	has '.running == []'
	capture sbx kill "$(sbx ps --json | jq -r '.running[0].exec_id')"
	equals "$status" 0
	wait $pid || :
	holds '.status == "killed"' job.out >/dev/null
	for what in stats history audit doctor; do
		capture sbx $what --json
		ok
	done
}

@test "ending a run ends its own jail; what has its name, its user and its words goes on" { # S3-11, S3-12, S3-24, S3-54, S3-72
	local bystander lookalike run
	python3 -c 'import time; time.sleep(300)' 3>&- &
	bystander=$!
	(exec -a sbx-jail sleep 300) 3>&- &
	lookalike=$!
	echo '{"lang":"python","code":"import time; time.sleep(300)"}' >job.json
	"$BUILD/sbx" exec --request job.json >job.out 2>&1 &
	run=$!
	runs() { [ "$(sbx ps --json | jq '.running | length')" -eq 1 ]; }
	until_true 60 runs
	# the code itself finds neither of them
	bash_code "kill -9 $bystander $lookalike -1 2>/dev/null; pkill -9 python3; pkill -9 sleep; true" '{"profile":"default"}'
	kill -0 $bystander && kill -0 $lookalike
	runs
	capture sbx kill "$(sbx ps --json | jq -r '.running[0].exec_id')"
	equals "$status" 0
	wait $run || :
	kill -0 $bystander && kill -0 $lookalike
	capture sbx gc --json
	ok
	kill -0 $bystander && kill -0 $lookalike
	kill $bystander $lookalike
	wait $bystander $lookalike 2>/dev/null || :
	# by descriptors and cgroups, never by a name
	! grep -rnE --exclude=commands_class.c 'pkill|killall|pidof|pgrep' "$SOURCE/cli" "$SOURCE/common" "$SOURCE/helper" "$SOURCE/contrib/systemd" "$SOURCE/contrib/librechat/src"
}

@test "a bomb in an archive is stored as it came, and counts as what it is" { # S0-65
	python3 - <<-'X'
		import io, zipfile
		inner = io.BytesIO()
		with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as z:
		    for i in range(20): z.writestr(f"{i}.bin", bytes(4 << 20))
		with zipfile.ZipFile("bomb.zip", "w", zipfile.ZIP_DEFLATED) as z:
		    z.writestr("inner.zip", inner.getvalue())
		    z.writestr("../../outside.txt", b"x")
	X
	config '{"upload_bytes":1048576,"session_bytes":1048576}'
	capture sbx upload --json bomb.zip
	ok
	has '(.files | length) == 1 and .files[0].size == $n' --argjson n "$(stat -c %s bomb.zip)"
	[ "$(du -s --apparent-size -k "$SBX_STORAGE" | cut -f1)" -lt 1024 ]
	[ -z "$(find "$TMP" -name outside.txt)" ]
	# unpacked in a jail it meets the jail's limits, and leads nowhere
	session=$(jq -r .session "$TMP/.out")
	python 'import zipfile
z = zipfile.ZipFile("bomb.zip"); z.extractall("out")
zipfile.ZipFile("out/inner.zip").extractall("out")' "$(in_session '{"limits":{"scratch_bytes":16777216}}')"
	ok
	has '.status == "disk_limit" and .committed == false'
	[ -z "$(find "$TMP" -name outside.txt)" ]
}

@test "the AppArmor profile is installed where it is understood, and allows user namespaces only" { # S2-37
	local rules
	mkdir -p new/etc/apparmor.d/abi old/etc/apparmor.d none
	: >new/etc/apparmor.d/abi/4.0
	for place in new old none; do sh "$SOURCE/contrib/apparmor/install.sh" "$PWD/$place" /opt/x/libexec/sbx-jail sbx; done
	equals "$(find old none -type f)" ''
	rules=$(sed 's/ *#.*//; /^$/d' new/etc/apparmor.d/sbx-jail)
	grep -qx 'profile sbx-jail /opt/x/libexec/sbx-jail flags=(unconfined) {' <<<"$rules"
	equals "$(sed -n '/{$/,/^}/p' <<<"$rules" | sed '1d;$d' | tr -s ' ' | tr '\n' '|')" ' userns,| include if exists <local/sbx-jail>|'
	# the other half: the filter of system calls is there in every answer
	python 1
	ok
	has '.isolation.seccomp | test("^base:[0-9]+:")'
	paragraph='AppArmor may forbid user namespaces'
	grep -q "$paragraph" "$SOURCE/README.md"
}

@test "the strict profile has an allow-list of system calls, narrower than the usual one" { # S4-03, S4-69
	local usual
	python 1
	ok
	usual=$(jq -r '.isolation.seccomp | split(":")[1] | tonumber' "$TMP/.out")
	python 'import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
def call(n):
    ctypes.set_errno(0)
    return "done" if libc.syscall(n, -1, -1, -1, -1, -1, -1) >= 0 else errno.errorcode[ctypes.get_errno()]
# numbers that no kernel has yet do not exist here either, as those that nobody listed: acct, swapon, reboot, kexec_load
print(call(499), *(call(n) in ("ENOSYS", "EPERM") for n in (163, 167, 169, 246)))' '{"profile":"strict"}'
	ok
	has '.stdout == "ENOSYS True True True True\n"'
	has '.isolation.seccomp | startswith("strict:") and (split(":")[1] | tonumber) < $n' --argjson n "$usual"
}
