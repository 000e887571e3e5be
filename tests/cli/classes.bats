#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Commands by class: what a profile denies cannot be started, copied or loaded; what it does not allow is
# not there. And the patterns that everybody fears, which do no harm to files, to the host or to others.
# bats file_tags=slow
load ../helpers

setup() {
	common_setup
	needs mount
	profile wary '{"extends": "default", "commands": {"deny": ["network", "package", "compiler", "admin"]}}'
	profile patient '{"extends": "default", "limits": {"wall_ms": 300000, "cpu_ms": 300000}}'
	profile few '{"extends": "default", "commands": {"allow": ["shell", "basic"]}}'
}
with() { jq -cn --arg p "$1" --argjson x "${2:-null}" '{profile: $p} + $x'; }
loader() {
	local file
	for file in /lib64/ld-linux*.so.* /lib/ld-linux*.so.* /lib/*/ld-linux*.so.* /lib/ld-musl-*.so.1; do
		[ ! -e "$file" ] || { echo "$file"; return; }
	done
	return 1
}

@test "a denied command cannot be started, by its name, its path, a link or another name" { # S2-44
	needs gcc
	needs mount
	run_code bash 'gcc --version >/dev/null && mount --version >/dev/null && apt-get --version >/dev/null' "$(with default)"
	ok
	has '.status == "success"'
	local name
	for name in gcc cc cpp ld as apt-get apt dpkg mount umount su unshare chroot; do
		name=$(command -v "$name") || continue
		run_code bash "$name --version; echo \$?; $(readlink -f "$name") --version; echo \$?; ln -s $name x; ./x --version; echo \$?; exec -a other $name" \
			"$(with wary)"
		ok
		has '.stdout == "126\n126\n126\n" and .exit_code == 126' || { echo "of $name"; return 1; }
	done
}

@test "a denied command cannot be read, copied, mapped or given to the loader" { # S2-44
	needs gcc
	local real loader
	real=$(readlink -f "$(command -v gcc)")
	loader=$(loader)
	[ -n "$loader" ]
	run_code bash "$loader $real --version" "$(with default)"
	has '.status == "success" and (.stdout | contains("gcc"))'
	run_code bash "cp $real /tmp/x; wc -c </tmp/x; cat $real | wc -c; $loader $real --version; $loader /tmp/x --version; /tmp/x --version
		umount $real; mv $real /tmp/y; echo x >$real; ls -l $(dirname "$real") | grep -c nothing-like-this" "$(with wary)"
	has '.stdout == "0\n0\n0\n" and .status == "error"'
	python "import mmap, os
fd = os.open('$real', os.O_RDONLY)
try: print(len(mmap.mmap(fd, 4096, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC)))
except (OSError, ValueError) as e: print(type(e).__name__)
print(os.stat('$real').st_size, os.access('$real', os.X_OK))" "$(with wary)"
	has '.stdout | test("^(OSError|ValueError|PermissionError)\n0 False\n$")'
}

@test "the compiler itself is denied with its driver, and other files of the language's are not" {
	needs gcc
	local cc1
	cc1=$(gcc -print-prog-name=cc1)
	[ -x "$cc1" ]
	run_code bash "$cc1 --version; echo \$?; $(loader) $cc1 --version; echo \$?" "$(with wary)"
	has '.stdout == "126\n127\n"'
	python 'import numpy; print(int(numpy.ones(3).sum()))' "$(with wary)"
	has '.stdout == "3\n"'
	run_code javascript 'console.log(1)' "$(with wary)"
	has '.stdout == "1\n"'
}

@test "what a program of the session brings is not executed, by the loader neither" {
	run_code bash "cp /bin/ls x && cp /bin/ls /tmp/x && chmod 755 x /tmp/x; ./x; echo \$?; /tmp/x; echo \$?
		$(loader) ./x; echo \$?; $(loader) /tmp/x; echo \$?" "$(with wary)"
	ok
	has '.stdout == "126\n126\n127\n127\n"'
}

@test "a request that names a denied command is refused before anything runs, and recorded" { # S2-45, S2-47
	local sum
	sum=$(store_sum 2>/dev/null || :)
	request exec '{"argv": ["mount", "-t", "tmpfs", "x", "/mnt"], "profile": "wary"}'
	refused E_POLICY
	has '.error.message == "the profile '"'wary' does not allow '/usr/bin/mount'"'"'
	request exec '{"argv": ["/usr/bin/../bin/mount"], "profile": "wary"}'
	refused E_POLICY
	capture sbx exec -p wary -- mount
	equals "$status" 125
	request exec '{"argv": ["git", "version"], "profile": "few"}'
	refused E_POLICY
	request audit '{"what": ["export"], "action": "exec"}' || :
	capture sbx audit --action exec --json
	has '[.records[] | select(.status == "denied") | .details.command[0]] == ["mount", "/usr/bin/../bin/mount", "mount", "git"]'
}

@test "what was run is in the audit: the words of a command, of code its hash" { # S2-47
	request exec '{"argv": ["echo", "a", "b\u0001c"]}'
	ok
	python 'print(2)'
	capture sbx audit --action exec --json
	has '.records | map(.details) | .[0].command == ["echo", "a", "b\u0001c"] and .[1].codeSha256 == $h and (.[1] | has("command") | not)' \
		--arg h "$(printf 'print(2)' | sha256sum | cut -d' ' -f1)"
	capture sbx audit verify --json
	ok
	request exec "$(jq -cn '{argv: (["echo"] + [range(500) | "x" * 1000])}')"
	ok
	capture sbx audit -n 1 --json
	has '.records[-1].details.command | length == 64 and all(length <= 256)'
}

@test "the hint names the command that was denied, and its class" {
	local rows='bash	mount -t tmpfs x /mnt
python	import subprocess; subprocess.run(["mount"])
javascript	require("child_process").execFileSync("mount")
bash	exec sh -c "mount; exit 3"'
	local lang code
	while IFS=$'\t' read -r lang code; do
		run_code "$lang" "$code" "$(with wary)"
		ok
		has '.status == "error" and .hint == "the profile '"'wary' does not allow 'mount', which is of the class admin"'"' || { echo "of $code"; return 1; }
	done <<<"$rows"
	run_code bash 'git --version' "$(with few)"
	has '.hint == "'"'git' is not one of the commands that the profile 'few' allows"'"'
	run_code bash 'no-such-command-at-all' "$(with few)"
	has '.status == "error" and (has("hint") | not)'
	run_code bash 'echo "mount: Permission denied" >&2; exit 1' "$(with default)"
	has 'has("hint") | not'
}

@test "with a list of what is allowed nothing else is there, and Landlock refuses what stands elsewhere" { # S2-44
	run_code bash 'ls / >/dev/null && echo a | grep a | sed s/a/b/ && command -v git python3 perl gcc curl mount tar; ls /usr/sbin /usr/local/bin; ls /usr/bin/git' \
		"$(with few)"
	ok
	has '.stdout | startswith("b\n") and (test("/usr/bin|/usr/sbin/") | not)'
	has '.stderr | contains("/usr/bin/git")'
	run_code bash 'for f in /usr/lib/git-core/git /usr/lib/git-core/git-remote-http /usr/lib/*/perl-base/../../../bin/perl; do
		[ ! -e $f ] || { $f --version; echo $?; '"$(loader)"' $f --version; echo $?; }; done' "$(with few)"
	has '.stdout | test("version") | not'
	run_code bash 'f=$(find /usr/lib /usr/libexec -xdev -type f -perm -1 -size +4k ! -name "*.so*" ! -name "ld-*" 2>/dev/null | head -n 20)
		[ -n "$f" ] && for x in $f; do "$x" </dev/null >/dev/null 2>&1; [ $? = 126 ] || echo "$x runs"; done; echo done' "$(with few)"
	has '.stdout == "done\n"'
}

@test "the program of a language runs although no class allows it, and only for that language" {
	python 'import os, subprocess
print(subprocess.run(["ls", "/etc/passwd"], capture_output=True, text=True).stdout, end="")
for name in ("node", "perl", "git", "curl"):
    try: print(subprocess.run([name]).returncode)
    except FileNotFoundError: print("not there")' "$(with few)"
	ok
	has '.stdout == "/etc/passwd\nnot there\nnot there\nnot there\nnot there\n"'
	run_code javascript 'console.log(require("child_process").spawnSync("python3").error.code)' "$(with few)"
	has '.stdout == "ENOENT\n"'
	run_code bash 'pip install x; npm install x; python3 -c 1' "$(with few)"
	has '[.stderr | scan("does not allow to install anything")] | length == 2'
}

@test "single paths can be denied and allowed, and deny wins" {
	profile odd '{"extends": "few", "commands": {"allow": ["shell", "basic", "/usr/bin/perl"], "deny": ["/usr/bin/sort", "vcs"]}}'
	run_code bash 'perl -e "print 1"; echo b | cat; sort --version; echo $?' "$(with odd)"
	has '.stdout == "1b\n126\n"'
	profile odd '{"extends": "wary", "commands": {"deny": ["/usr/bin/sort"]}}'	# replaces the list
	run_code bash 'sort --version; echo $?; mount --version >/dev/null; echo $?' "$(with odd)"
	has '.stdout == "126\n0\n"'
}

@test "pip and npm of a profile without class package say so, as commands and as modules" {
	for words in 'pip install x' 'pip3 install x' 'python3 -m pip install x' 'npm install x' '/usr/bin/pip install x' '/usr/bin/npm install x'; do
		run_code bash "$words" "$(with wary)"
		has '.status == "error" and (.stderr | test("does not allow to install anything|Permission denied|No such file"))'
	done
	python 'import subprocess, sys; sys.exit(subprocess.run([sys.executable, "-m", "pip", "install", "x"]).returncode)' "$(with wary)"
	has '.status == "error" and (.stderr | contains("does not allow to install anything"))'
	python 'import sys; sys.path = [p for p in sys.path if p != "/run/sbx"]; import pip._internal' "$(with wary)"
	has '.status == "error" and (.stderr | contains("No module named"))'
}

@test "lists that cannot be enforced are refused with their pointer" {
	local rows='
{"deny": ["netwrok"]}	/commands/deny/0
{"deny": ["network", "curl"]}	/commands/deny/1
{"allow": ["/usr/bin/../bin/x"]}	/commands/allow/0
{"allow": ["/usr/bin/*"]}	/commands/allow/0
{"allow": [1]}	/commands/allow/0
{"allow": "shell"}	/commands/allow
{"forbid": []}	/commands/forbid
["deny"]	/commands'
	local list pointer
	while IFS=$'\t' read -r list pointer; do
		[ -n "$list" ] || continue
		profile wrong "{\"extends\": \"default\", \"commands\": $list}"
		capture sbx profile check wrong --json
		refused E_CONFIG
		has '.error.message | contains($p + ":")' --arg p "$pointer"
	done <<<"$rows"
	profile wrong '{"extends": "default", "commands": {"deny": ["/usr/bin/env"]}}'
	run_code python 'print(1)' "$(with wrong)"
	refused E_CONFIG
	profile wrong '{"extends": "default", "commands": {"deny": ["interpreter"]}}'
	run_code python 'print(1)' "$(with wrong)"
	refused E_POLICY
	run_code bash 'echo 1' "$(with wrong)"
	ok
}

@test "every class that the page names is one, and the reverse" {
	local page code
	page=$(awk '/^The classes:/{ on = 1 } on && /^\.It Cm/{ print $3 } on && /^\.El/{ exit }' "$SOURCE/man/sbx-profile.5" | sort)
	code=$(sed -nE 's/.*\{ "([a-z]+)", \1 \}.*/\1/p; ' "$SOURCE/cli/commands_class.c" | sort)
	code=$(grep -oE '\{ "[a-z]+", [a-z]+ \}' "$SOURCE/cli/commands_class.c" | cut -d'"' -f2 | sort)
	[ -n "$page" ]
	equals "$page" "$code"
}

# --- what everybody fears -------------------------------------------------------------------------
# Of the host only what nobody else changes meanwhile.
host_sum() {
	ls -A / | sort
	stat -L -c '%n %i %A %s %Y' /etc/passwd /etc/group /usr/bin/env /bin/sh /bin/ls
	stat -c '%n %F' /dev/null /dev/zero
}

# Runs it with the session's files in place; afterwards they, the store and the host are as before.
feared() { # CODE [OBJECT]
	local before host
	upload keep.txt "to be kept" || return 1
	upload deep/down.txt "this too" "$(in_session)" || return 1
	before=$(store_sum)
	host=$(host_sum)
	run_code bash "$1" "$(in_session "$(jq -cn --argjson x "${2:-null}" '{commit: "never"} + $x')")"
	ok || return 1
	equals "$(store_sum)" "$before" || return 1
	equals "$(host_sum)" "$host" || return 1
	cp "$TMP/.out" "$TMP/.feared"
	equals "$(content_of keep.txt)" "to be kept" || return 1
	cp "$TMP/.feared" "$TMP/.out"
}

@test "rm -rf / takes what the run could see, and nothing of the session, the store or the host" { # S2-45
	feared 'rm -rf --no-preserve-root / 2>/dev/null; rm -rf ~ /mnt/data/* .[!.]* 2>/dev/null; ls -A /mnt/data /tmp; exit 0' "$(with patient)"
	has '.stdout == "/mnt/data:\n\n/tmp:\n"'
	# a run that ends well and may commit has deleted the session's files in a new revision: the old one has them
	upload keep.txt "to be kept"
	run_code bash 'rm -rf /mnt/data / 2>/dev/null; exit 0' "$(in_session)"
	ok
	has '[.files[] | .change] == ["deleted"]'
	request undo "$(in_session)"
	ok
	equals "$(content_of keep.txt)" "to be kept"
}

@test "a fork bomb is ended by its limits, and others go on" { # S2-45
	feared ':(){ :|:& };: ; wait; sleep 1; exit 1' '{"limits": {"wall_ms": 5000, "processes": 32}}'
	has '.status | IN("process_limit", "timeout", "error")'
	python 'print(1)'
	ok
	has '.stdout == "1\n"'
}

@test "mkfs, dd and their kind find no device to write to" { # S2-45
	feared 'for d in /dev/sda /dev/nvme0n1 /dev/vda /dev/xvda /dev/loop0 /dev/mapper/x /dev/mem /dev/kmem /dev/port; do
			[ ! -e $d ] || echo "$d is there"
			dd if=/dev/zero of=$d bs=512 count=1 2>/dev/null && [ -b $d ] && echo "$d was written to"
		done
		PATH=$PATH:/usr/sbin:/sbin
		for c in mkfs.ext4 mke2fs mkfs.vfat mkswap wipefs fdisk; do
			! command -v $c >/dev/null || ! $c /dev/sda >/dev/null 2>&1 || [ ! -b /dev/sda ] || echo "$c did it"
		done
		mknod /tmp/sda b 8 0 && echo "a device was made"; mknod sda b 8 0 && echo "a device was made"
		find / -xdev -type b; exit 0' '{"limits": {"wall_ms": 20000}}'
	has '.status == "success" and .stdout == ""'
}

@test "what else is feared: power, memory, disk, kernel, permissions of everything" { # S2-45
	feared 'shutdown now; reboot -f; halt; echo b >/proc/sysrq-trigger; echo c >/proc/sysrq-trigger; kill -9 -1
		exit 0' '{"limits": {"wall_ms": 5000}}'
	feared 'timeout 5 chmod -R 777 / 2>/dev/null; timeout 5 chown -R 0:0 / 2>/dev/null; find /usr/bin -maxdepth 1 -type f -perm -o+w
		stat -c %A /etc/passwd; exit 0' "$(with patient)"
	has '.stdout == "-rw-r--r--\n"'
	feared 'mv / /dev/null; cat /dev/urandom >/dev/mem; > /etc/passwd; echo x >/etc/shadow; sysctl -w kernel.panic=1; crontab -r; exit 0'
	has '.status == "success"'
	feared 'head -c 10G /dev/zero >big; exit 0' '{"limits": {"wall_ms": 20000}}'
	has '.usage.scratch_bytes > 0 and .usage.scratch_bytes <= .limits.scratch_bytes'
}
