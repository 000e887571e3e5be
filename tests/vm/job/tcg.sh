#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Debian's own kernel, from end to end: Landlock, cgroups and the workspace in one run.
job=tcg
. /vmtest/lib.sh
ready
mib=1048576

is "this is the kernel of Debian 12" grep -q '^6\.1\..*-cloud-amd64$' <<<"$(uname -r)"
is "AppArmor is on" grep -q Y /sys/module/apparmor/parameters/enabled
is "the kernel tells of pressure" grep -q '^full avg10=' /proc/pressure/memory
for place in session server; do
	request $place "$(python "$(cat /vmtest/changes.py)" 'args: ["new"]')"
	told "$place: a run succeeds" '.status == "success"'
	told "$place: in a cgroup" '.isolation.cgroup == "scope" or .isolation.cgroup == "delegated"'
	told "$place: under Landlock 2 or later" '.isolation.landlock >= 2'
	told "$place: new directories are renamed" '.stdout == "" and (.files | length == 22) and (.files | map(.name) | index("moved/back/f.txt") != null)'
	request $place "$(python "$(cat /vmtest/changes.py)" "args: [\"inputs\"], session: $(jq .session <<<"$answer")")"
	told "$place: all that programs do to inputs works, from a rename of their directory to SQLite" \
		"$(cat /vmtest/changes.jq)"
	request $place "$(python 'x = bytearray(200 << 20)
for i in range(0, len(x), 4096): x[i] = 1' "limits: {memory_bytes: (64 * $mib)}")"
	told "$place: a memory bomb ends with memory_limit" '.status == "memory_limit"'
done
request server "$(python 'import os, time
while True:
    if os.fork() == 0: time.sleep(30)' 'limits: {processes: 8}')"
told "a fork bomb meets its limit" '.status == "process_limit"'
is "nothing is left" wait_for 20 no_leaves
finish
