# SPDX-License-Identifier: Apache-2.0
"""What the cgroup of a run costs: runs with and without one by turns; median and least of each, and what one
call of the kernel costs here, in microseconds, as JSON. Started where sbx finds a delegated directory."""
import json
import os
import statistics
import subprocess
import sys
import time

TURNS = 15
took = {"auto": [], "off": []}
methods = {"auto": set(), "off": set()}
for turn in range(TURNS + 1):
    for mode, times in took.items():
        env = dict(os.environ, SBX_CGROUP=mode)
        begin = time.perf_counter()
        said = subprocess.run([sys.argv[1], "exec", "--json", "--", "/bin/true"], env=env, stdout=subprocess.PIPE, check=True)
        if turn:    # the first pair only warms up
            times.append(time.perf_counter() - begin)
        methods[mode].add(json.loads(said.stdout)["isolation"]["cgroup"])
begin = time.perf_counter()
for _ in range(5000):
    os.getppid()
call = (time.perf_counter() - begin) / 5000
def sums(times):
    return {"median": int(statistics.median(times) * 1e6), "least": int(min(times) * 1e6)}

print(json.dumps({"with_us": sums(took["auto"]), "without_us": sums(took["off"]),
                  "call_us": int(call * 1e6), "methods": {m: sorted(s) for m, s in methods.items()}}))
