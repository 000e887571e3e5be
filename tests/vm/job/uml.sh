#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Every controller, from each place that sbx may be called from.
job=uml
. /vmtest/lib.sh
ready
mkswap -q /dev/ubdc && swapon /dev/ubdc
mib=1048576

# a process of the same user that nothing here may touch
setpriv --reuid 990 --regid 990 --clear-groups python3 -c 'import time; time.sleep(1000)' &
bystander=$!
as_alice python3 -c 'import time; time.sleep(1000)' &
friend=$!

hog='x = bytearray(400 << 20)
for i in range(0, len(x), 4096): x[i] = 1'
many='import os, time
for i in range(6):
    if os.fork() == 0:
        x = bytearray(40 << 20)
        for i in range(0, len(x), 4096): x[i] = 1
        time.sleep(20)
        os._exit(0)
time.sleep(20)'
forks='import os, time
n = 0
try:
    while True:
        if os.fork() == 0:
            time.sleep(20)
            os._exit(0)
        n += 1
except OSError as e:
    print(n, e.errno, flush=True)
os._exit(3)'
small="limits: {memory_bytes: (64 * $mib), swap_bytes: 1, wall_ms: 20000}"

for place in session user_service system_service server; do
	case $place in session | user_service) method='scope' ;; *) method=delegated ;; esac
	request $place "$(python 'print(open("/proc/self/cgroup").read())')"
	told "$place: a run succeeds in a cgroup and does not see where that is" \
		".status == \"success\" and (.isolation.cgroup | . == \"$method\" or . == \"delegated\") and .stdout == \"0::/\\n\\n\""
	request $place "$(python "$hog" "$small")"
	told "$place: a memory bomb ends with memory_limit" \
		".status == \"memory_limit\" and .limits_hit == [\"memory_bytes\"] and .usage.memory_peak_bytes == 64 * $mib and .usage.exact"
	request $place "$(python "$forks" 'limits: {processes: 8}')"
	told "$place: a fork bomb meets its limit" \
		'.status == "process_limit" and .exit_code == 3 and .stdout == "7 11\n" and .usage.processes_peak == 8'
done
request server "$(python "$many" "$small")"
told "memory used by many processes together ends all of them" '.status == "memory_limit" and .usage.wall_ms < 15000'
request server "$(python 'while True: pass' 'limits: {cpu_ms: 1000}')"
told "a CPU spin ends with cpu_limit" '.status == "cpu_limit" and .usage.cpu_ms >= 500 and .usage.cpu_ms < 1300'
request server "$(python 'import os
for i in range(3): os.fork()
while True: pass' 'limits: {cpu_ms: 1000, processes: 16}')"
told "a CPU spin of eight processes ends by their sum" '.status == "cpu_limit" and .usage.cpu_ms < 1400'
request server "$(python 'import time
end = time.monotonic() + 2
while time.monotonic() < end: pass
print(time.process_time())' 'limits: {cpu_percent: 20}')"
told "a share of CPU holds" '.status == "success" and .usage.cpu_ms / .usage.wall_ms < 0.3'
request server "$(python 'import time; time.sleep(20)' 'limits: {wall_ms: 1000}')"
told "the clock ends a run" '.status == "timeout" and .usage.wall_ms >= 1000 and .usage.wall_ms < 1200'

# ---- swap
swaps='x = bytearray(SIZE << 20)
for i in range(0, len(x), 4096): x[i] = 1
print("held")'
request server "$(python "${swaps/SIZE/90}" "limits: {memory_bytes: (64 * $mib), swap_bytes: (64 * $mib)}")"
told "a run that fits into memory and swap together succeeds" '.status == "success" and .stdout == "held\n"'
request server "$(python "${swaps/SIZE/200}" "limits: {memory_bytes: (64 * $mib), swap_bytes: (64 * $mib)}")"
told "beyond both it ends with memory_limit" '.status == "memory_limit"'
request server "$(python "${swaps/SIZE/90}" "$small")"
told "swap is bounded apart from memory" '.status == "memory_limit"'
request server "$(python 'open("big", "wb").write(b"x" * (90 << 20))' "$small")"
told "files in the workspace count as memory" '.status == "memory_limit" or .status == "disk_limit"'

# ---- the disk
sync
echo 3 >/proc/sys/vm/drop_caches
request server "$(python 'import os, time
# four MiB of whatever is large and was not read yet
names = [os.path.join(d, f) for d, _, fs in os.walk("/usr/lib/x86_64-linux-gnu/perl-base") for f in fs]
names += ["/usr/lib/x86_64-linux-gnu/libnode.so.108", "/usr/bin/perl"]
left, t = 4 << 20, time.monotonic()
for n in names:
    try: fd = os.open(n, os.O_RDONLY)
    except OSError: continue
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
    while left > 0:
        got = len(os.read(fd, 65536))
        left -= got
        if got == 0: break
    os.close(fd)
print(left, time.monotonic() - t)' 'limits: {io_bytes_per_s: 1048576}')"
told "the speed of the disk is bounded" '.status == "success" and (.stdout | split(" ")[1] | tonumber) > 2.5'

# ---- several limits at once
request server "$(python 'import os
for i in range(30):
    try:
        if os.fork() == 0: break
    except OSError: break
x = []
while True: x.append(bytearray(1 << 20))' "limits: {memory_bytes: (64 * $mib), swap_bytes: 1, processes: 12, cpu_percent: 50, io_bytes_per_s: 1048576}")"
told "fork, memory, CPU and IO bombs together end as one of them" \
	'.status == "memory_limit" and (.limits_hit | contains(["memory_bytes"]))'

# ---- what was asked for is what the kernel has
# shellcheck disable=SC2016
answer=$(from_server /bin/bash -c '
	"$1" exec <<<"$2" >/dev/null &
	for i in $(seq 100); do
		"$1" ps --json | jq -e ".running[0].processes == 1" >/dev/null && break
		sleep 0.1
	done
	"$1" ps --json
	"$1" kill "$("$1" ps --json | jq -r ".running[0].exec_id")" >/dev/null
	wait' sh $sbx "$(python 'import time; time.sleep(30)' "limits: {memory_bytes: (100 * $mib), swap_bytes: (32 * $mib), processes: 17, cpu_percent: 30, io_bytes_per_s: 2097152}")")
told "limits read back equal the limits asked for" ".running[0].cgroup_limits | .memory_bytes == 100 * $mib and
	.swap_bytes == 32 * $mib and .processes == 17 and .cpu_percent == 30 and .io_bytes_per_s == 2097152"
told "ps shows what the run uses" ".running[0] | .counted_by == \"cgroup\" and .memory_bytes > 0 and .processes == 1"

# ---- accounting
request server "$(python 'pass')"
base=$(jq .usage.memory_peak_bytes <<<"$answer")
request server "$(python 'x = bytearray(100 << 20)
for i in range(0, len(x), 4096): x[i] = 1')"
told "the peak of memory is right within 5 %" "(.usage.memory_peak_bytes - $base) / (100 * $mib) | . > 0.95 and . < 1.05"
request server "$(python 'import time
while time.process_time() < 3: pass
print(time.process_time())')"
told "CPU time is right within 5 %" '(.usage.cpu_ms / 1000) / (.stdout | tonumber) | . > 0.95 and . < 1.05'

# ---- the shipped units
is "the units can be installed" install_units
is "the adapter's unit starts" systemctl start sbx-adapter@8000
wait_for 20 sh -c '! systemctl is-active -q sbx-adapter@8000'
answer=$(cat /var/lib/sbx/answer)
told "its runs have a delegated cgroup" '.status == "success" and .isolation.cgroup == "delegated"'
is "gc runs as a service" systemctl start sbx-gc.service

# ---- places that do not serve
# shellcheck disable=SC2016
answer=$(from_system_service /bin/bash -c '"$1" exec <<<"$2"; exit 0' sh $sbx "$(python 'pass' 'require: ["cgroup"]')")
told "a process beside sbx is not moved: the remedy is told" \
	'.error.code == "E_ISOLATION" and (.error.message | contains("DelegateSubgroup"))'
answer=$(systemd-run --wait --pipe -q -p User=svc -E SBX_PROFILES=/vmtest/profiles $sbx exec <<<"$(python 'print(1)')")
told "without delegation a run works without a cgroup" '.status == "success" and .isolation.cgroup == "none"'
answer=$(systemd-run --wait --pipe -q -p User=svc -E SBX_PROFILES=/vmtest/profiles $sbx exec <<<"$(python "$hog" "$small")")
told "and one allocation that is too large is told as memory_limit" \
	'.status == "memory_limit" and .limits_hit == ["memory_bytes"] and (.usage.exact | not)'
answer=$(from_server env SBX_CGROUP=off $sbx exec <<<"$(python 'print(1)')")
told "the setting off is obeyed" '.status == "success" and .isolation.cgroup == "none"'

# ---- kill -9 of sbx at every stage
wait_for 10 no_leaves
# shellcheck disable=SC2016
answer=$(from_server /bin/bash -c '
	for delay in 0.02 0.05 0.1 0.15 0.2 0.3 0.4 0.6 1; do
		"$1" exec <<<"$2" >/dev/null 2>&1 &
		sleep $delay
		kill -9 $! && wait $!
	done 2>/dev/null
	"$1" exec <<<"$3" >/dev/null
	cd "/sys/fs/cgroup$(sed -n s/^0:://p /proc/self/cgroup)/.." || exit
	ls -d sbx-* 2>/dev/null | wc -l
	"$1" gc --json | jq -c .cgroups' sh $sbx "$(python 'import time; time.sleep(30)')" "$(python pass)" | tr '\n' ' ')
if [ "$answer" = "0 0 " ]; then ok "kill -9 of sbx leaves no leaf that the next run does not remove"; else
	not_ok "kill -9 of sbx leaves no leaf that the next run does not remove" "$answer"
fi
is "and no process" wait_for 10 no_jails

# ---- many at once
before=$(counts)
# shellcheck disable=SC2016
answer=$(from_server /bin/bash -c '
	for i in $(seq 50); do
		"$1" exec --json -- /bin/echo $i &
	done | jq -cs "map(.error // [.status, .isolation.cgroup] | tostring) | group_by(.) | map({(.[0]): length}) | add"
	cd "/sys/fs/cgroup$(sed -n s/^0:://p /proc/self/cgroup)/.." && ls -d sbx-* 2>/dev/null | wc -l
	wait' sh $sbx | tr '\n' ' ')
if [ "$answer" = '{"[\"success\",\"delegated\"]":50} 0 ' ]; then ok "50 runs at once end well and leave no leaf"; else
	not_ok "50 runs at once end well and leave no leaf" "$answer"
fi
is "nothing is left of them: no cgroup, mount or process" wait_for 10 same_counts "$before"
pids=()
for _ in 1 2 3 4 5; do
	from_session $sbx exec -- /bin/true &
	pids+=($!)
done
wait "${pids[@]}"
is "scopes are gone when their run is" wait_for 10 no_leaves
is "another process of the same user is untouched" kill -0 $bystander
is "and one in the user's other session" kill -0 $friend
kill $bystander $friend
finish
