#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Debian's own kernel, from end to end: Landlock, cgroups and the workspace in one run.
job=tcg
. /vmtest/lib.sh
ready
mib=1048576

for place in session server; do
	request $place "$(python 'import os
os.makedirs("a/b"); open("a/b/c.txt", "w").write("x"); os.rename("a", "d")
print(open("d/b/c.txt").read())')"
	told "$place: a run succeeds" '.status == "success"'
	told "$place: in a cgroup" '.isolation.cgroup == "scope" or .isolation.cgroup == "delegated"'
	told "$place: under Landlock 2 or later" '.isolation.landlock >= 2'
	told "$place: a directory can be renamed in the workspace" '.stdout == "x\n" and (.files | map(.name) | . == ["d/b/c.txt"])'
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
