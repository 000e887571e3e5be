# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by the jobs, as root in the guest: who calls sbx from where, and what is expected of it.
sbx=/vmtest/build/sbx
. /vmtest/settings
passed=0
failed=0
answer=

# from everywhere the profiles of the job
export SBX_PROFILES=/vmtest/profiles
alice_env=(env -i HOME=/home/alice USER=alice LOGNAME=alice LANG=C.UTF-8 PATH=/usr/bin:/bin
	XDG_RUNTIME_DIR=/run/user/1000 DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/1000/bus
	SBX_PROFILES=/vmtest/profiles)

as_alice() { setpriv --reuid 1000 --regid 1000 --init-groups "${alice_env[@]}" "$@"; }

# a shell of a login: in a scope that is not delegated, with the shell in it
from_session() {
	# shellcheck disable=SC2016
	as_alice systemd-run --user --scope -q -- /bin/sh -c '"$@"; exit $?' sh "$@"
}

from_user_service() {
	as_alice systemd-run --user --wait --pipe -q -p Delegate=yes -E SBX_PROFILES=/vmtest/profiles "$@"
}

# sbx is the service itself
from_system_service() {
	systemd-run --wait --pipe -q -p User=svc -p "Delegate=cpu io memory pids" -E SBX_PROFILES=/vmtest/profiles \
		-E "SBX_SLOTS_USER=${SBX_SLOTS_USER:-64}" -E "SBX_WAIT_MS=${SBX_WAIT_MS:-60000}" "$@"
}

# sbx is started by a server that keeps itself out of the delegated directory, as sbx-adapter@ does
# shellcheck disable=SC2016
from_server() {
	from_system_service /bin/bash -c 'd=/sys/fs/cgroup$(sed -n s/^0:://p /proc/self/cgroup)
		mkdir "$d/main" && echo 0 >"$d/main/cgroup.procs" || exit 99
		"$@"; exit $?' sh "$@"
}

ok() {
	passed=$((passed + 1))
	echo "ok $((passed + failed)) - $job: $1$(since_last)"
	last=$EPOCHREALTIME
}
not_ok() {
	failed=$((failed + 1))
	echo "not ok $((passed + failed)) - $job: $1$(since_last)"
	last=$EPOCHREALTIME
	[ -z "${2:-}" ] || echo "#   $2"
}
last=$EPOCHREALTIME
since_last() { echo " in $(((${EPOCHREALTIME/./} - ${last/./}) / 1000))ms"; } # as bats says it
# is NAME COMMAND...: the command succeeds
is() {
	local said name=$1

	shift
	if said=$("$@" 2>&1); then ok "$name"; else not_ok "$name" "$said"; fi
}
# request PLACE JSON: the answer of an exec goes to $answer
request() { answer=$("from_$1" "$sbx" exec <<<"$2"); }
# told NAME FILTER: jq finds that in the answer
told() {
	if jq -e "$2" <<<"$answer" >/dev/null 2>&1; then
		ok "$1"
	else
		not_ok "$1" "$(jq -c '{status,exit_code,limits_hit,usage,timing,isolation,error,stdout,stderr}' <<<"$answer" 2>/dev/null || echo "$answer")"
	fi
}
# measured NAME PLACE JSON FILTER: what the machine does beside counts as the guest's time, so an answer that does
# not hold gets a second and a third look, openly. A fault does not pass by that.
measured() {
	local look

	for look in 1 2 3; do
		request "$2" "$3"
		jq -e "$4" <<<"$answer" >/dev/null 2>&1 && break
		echo "# look $look: $(jq -c '[.status, .limits_hit, .usage]' <<<"$answer" 2>&1)"
	done
	told "$1" "$4"
}
python() { # CODE [MEMBERS]: a request
	jq -nc --arg code "$1" "{profile: \"vm\", lang: \"python\", code: \$code} + {${2:-}}"
}
wait_for() { # SECONDS COMMAND...
	local until=$((SECONDS + $1))

	shift
	until "$@" >/dev/null 2>&1; do
		[ $SECONDS -lt $until ] || return 1
		sleep 0.1
	done
}
leaves() { find /sys/fs/cgroup -type d -regex '.*/sbx-[0-9a-f-]*\(\.scope\)?'; }
no_leaves() { [ -z "$(leaves)" ]; }
jails() { pgrep -c '^sbx'; }
no_jails() { [ "$(jails)" = 0 ]; }
counts() { # what must be the same before and after
	echo "cgroups $(find /sys/fs/cgroup -type d | wc -l) mounts $(wc -l </proc/self/mounts)" \
		"left over $(ps -eo stat,comm --no-headers | grep -c '^Z\|sbx\|echo')"
}
# the files that are open in the whole system, by the kernel's count, which is exact to some dozens
open_files() { cut -f1 /proc/sys/fs/file-nr; }
same_counts() { [ "$(counts)" = "$1" ] || { counts; false; }; }
refused() { ! "$@"; }
running() { [ "$(as_alice $sbx ps --json | jq '.running | length')" = "$1" ]; }
ready() {
	wait_for 60 test -S /run/user/1000/bus || echo "# no user manager"
	wait_for 60 as_alice systemctl --user is-active -q default.target || echo "# the user manager is not up"
}
# the shipped units as make install leaves them, with an adapter that is one run
install_units() {
	local unit

	install -D -m 644 /vmtest/units/sysusers.d/sbx.conf /etc/sysusers.d/sbx.conf
	install -D -m 644 /vmtest/units/tmpfiles.d/sbx.conf /etc/tmpfiles.d/sbx.conf
	for unit in /vmtest/units/*.slice /vmtest/units/*.service /vmtest/units/*.timer; do
		sed 's#@BINDIR@#/vmtest/build#g' "$unit" >"/etc/systemd/system/${unit##*/}"
	done
	cat >/vmtest/build/sbx-adapter <<-'X'
		#!/bin/sh
		/vmtest/build/sbx exec --json -l python -c 'print(1)' >/var/lib/sbx/answer
	X
	chmod 755 /vmtest/build/sbx-adapter
	systemd-sysusers && systemd-tmpfiles --create /etc/tmpfiles.d/sbx.conf && systemctl daemon-reload
}
finish() {
	echo "# $job: $passed passed, $failed failed"
	[ $failed = 0 ]
	exit
}
