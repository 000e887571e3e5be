#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The service manager over D-Bus at native speed, and what is left where no controller is delegated.
job=nspawn
. /vmtest/lib.sh
ready
scope=/vmtest/build/sbx-scope
mib=1048576

setpriv --reuid 1000 --regid 1000 --init-groups sleep 1000 &
sleeper=$!
path=$(as_alice $scope $sleeper sbx-test.scope sbx.slice)
is "sbx-scope prints the path of the scope" test "${path##*/}" = sbx-test.scope
is "the scope is in the slice" grep -q '/sbx.slice/' <<<"$path"
is "the process is in it" grep -q "^0::$path\$" "/proc/$sleeper/cgroup"
is "the scope is delegated to the user" test "$(stat -c %U "/sys/fs/cgroup$path")" = alice
is "systemd knows it as delegated" grep -q yes <<<"$(as_alice systemctl --user show -p Delegate --value sbx-test.scope)"
is "a name that is taken is refused" refused as_alice $scope $sleeper sbx-test.scope
is "somebody else's process is refused" refused as_alice $scope 1 sbx-other.scope
is "one that does not exist is refused" refused as_alice $scope 999999 sbx-other.scope
kill -9 $sleeper
is "the scope goes when the process does" wait_for 5 test ! -e "/sys/fs/cgroup$path"
# shellcheck disable=SC2016
path=$(setpriv --reuid 1000 --regid 1000 --init-groups env -i XDG_RUNTIME_DIR=/run/user/1000 \
	sh -c '$1 $$ sbx-bus.scope' sh $scope)
is "no message bus is needed" test "${path##*/}" = sbx-bus.scope

request session "$(python 'print(1)')"
told "without a memory controller a run works without a cgroup" '.status == "success" and .isolation.cgroup == "none"'
request session "$(python pass 'require: ["cgroup"]')"
told "where a cgroup is required it is refused" '.error.code == "E_ISOLATION"'
request session "$(python 'x = []
while True: x.append(bytearray(1 << 20))' "limits: {memory_bytes: (64 * $mib)}")"
told "the watchdog ends a memory bomb" '.status == "memory_limit" and (.usage.exact | not)'
request session "$(python 'import os, time
while True:
    if os.fork() == 0: time.sleep(9)' 'limits: {processes: 8}')"
told "a fork bomb meets its limit" '.status == "process_limit"'
request session "$(python 'import time; time.sleep(9)' 'limits: {wall_ms: 500}')"
told "the clock ends a run within 50 ms" '.status == "timeout" and .usage.wall_ms >= 500 and .usage.wall_ms < 550'
request session "$(python 'while True: pass' 'limits: {cpu_ms: 500}')"
told "CPU time ends a run within 50 ms" '.status == "cpu_limit" and .usage.cpu_ms >= 500 and .usage.cpu_ms < 560'

# ---- units
# S3-28
is "the users and directories of the units can be made" install_units
is "the units are right" systemd-analyze verify --man=no sbx.slice sbx-gc.service sbx-gc.timer sbx-metrics.service sbx-metrics.timer sbx-adapter@8000.service
# S3-31, S3-32, S3-34
is "the slice has its limits" test "$(systemctl show -P MemoryMax -P MemorySwapMax -P CPUQuotaPerSecUSec sbx.slice | sort | tr '\n' ' ')" = \
	"1073741824 500ms 7516192768 "
# S3-27, S3-42
is "the adapter comes back after a failure, and not for ever" \
	test "$(systemctl show -P Restart -P RestartUSec -P StartLimitIntervalUSec -P StartLimitBurst sbx-adapter@8000 | sort | tr '\n' ' ')" = \
	"1min 3 5s on-failure "

# ---- ps, kill
as_alice $sbx exec --json -l python -c 'import time; time.sleep(60)' >/tmp/one &
one=$!
wait_for 5 running 1
as_alice $sbx exec --json -l python -c 'import time; time.sleep(3)' >/tmp/two &
two=$!
is "ps shows both runs" wait_for 5 running 2
first=$(as_alice $sbx ps --json | jq -r '.running | min_by(.started) | .exec_id')
is "ps has another user's for nobody" test "$(as_alice $sbx ps --user bob --json | jq '.running | length')" = 0
is "and they cannot be ended so" refused as_alice $sbx kill --user bob "$first"
is "kill ends a run" as_alice $sbx kill "$first"
wait $one $two
# S3-12
is "in good order, and the other goes on to its end" \
	test "$(jq -rs 'map(.status) | sort | join(" ")' /tmp/one /tmp/two)" = "killed success"
is "ps shows none then" running 0

# ---- many, and many more behind them
before=$(counts)
# shellcheck disable=SC2016
answer=$(as_alice env SBX_SLOTS_USER=50 SBX_WAIT_MS=600000 bash -c '
	for i in $(seq $2); do
		"$1" exec --json -- /bin/echo "$i" &
	done | jq -cs "map(.status // .error) | group_by(.) | map({(.[0] | tostring): length}) | add"
	wait' sh $sbx $((50 + ${queued:-500})))
# S4-79
if [ "$answer" = "{\"success\":$((50 + ${queued:-500}))}" ]; then
	ok "50 runs at once and ${queued:-500} behind them end well"
else
	not_ok "50 runs at once and ${queued:-500} behind them end well" "$answer"
fi
is "nothing is left of them: no cgroup, mount or process" wait_for 10 same_counts "$before"
is "no record of a run is left" test -z "$(ls -A /home/alice/.local/state/sbx/state/running)"

# ---- what the D-Bus path costs
n=50
begin=$(date +%s%N)
# shellcheck disable=SC2016
as_alice bash -c 'for i in $(seq $2); do sh -c "$1 \$\$ sbx-cost$i.scope sbx.slice >/dev/null"; done' sh $scope $n
echo "# a scope takes $((($(date +%s%N) - begin) / n / 1000)) us, with two programs started"
finish
