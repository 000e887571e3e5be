#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Alerts: when isolation fails or the audit chain breaks, an operator hears of it. S3-57
load ../helpers

# hook BODY: a command for alerts that has its document in $TMP/alerts/N.
hook() {
	mkdir -p "$TMP/alerts"
	printf '#!/bin/bash\nexec 9>"%s/.lock"; flock 9\nn=$(ls "%s" | wc -l)\ncat >"%s/.new"; mv "%s/.new" "%s/$n"\n%s\n' \
		"$TMP/alerts" "$TMP/alerts" "$TMP/alerts" "$TMP/alerts" "$TMP/alerts" "${1:-}" >"$TMP/hook"
	chmod 755 "$TMP/hook"
}
alerts() { find "$TMP/alerts" -type f -name '[0-9]*' | wc -l; }
told() { [ "$(alerts)" -ge "$1" ]; }
with_hook() { config '{"alert_command":["'"$TMP"'/hook","a b","$(touch '"$TMP"'/shell)"]'"${1:-}"'}'; }
# narrow COMMAND...: in a user namespace below which there can be no other.
narrow() {
	unshare -Ur bash -c 'echo 1 >/proc/sys/user/max_user_namespaces; exec unshare -U --map-user=1000 --map-group=1000 "$@"' - "$@"
}

@test "a broken audit chain is told by status, counter and the command's standard input" {
	hook "printf '%s|' \"\$@\" >$TMP/args; env >$TMP/env; ls -l /proc/self/fd >$TMP/fds; ps -o sid=,pid= -p \$\$ >$TMP/sid"
	with_hook
	upload a.txt SECRET
	sed -i 's/success/denied/' "$SBX_STATE/audit/audit.jsonl"
	capture sbx audit verify --json
	refused E_CORRUPT
	until_true 10 told 1
	until_true 10 test -s "$TMP/sid"
	holds -es 'length == 1 and (.[0] | .v == 1 and .alert == "audit" and (.message | test("line 1")) and (.host | length > 0) and .suppressed == 0 and (.time | test("Z$")))' "$TMP/alerts/0"
	equals "$(cat "$TMP/args")" 'a b|$(touch '"$TMP"'/shell)|'
	[ ! -e "$TMP/shell" ]
	run ! grep -E 'SBX_|HOME=|SECRET' "$TMP/env"
	run ! grep -E "store|state|audit" "$TMP/fds"
	capture sbx stats --json && ok && has '.audit_failures == 1'
}

@test "of each kind one alert a minute goes out, and the next tells how many did not" {
	hook
	with_hook
	upload a.txt x
	sed -i 's/success/denied/' "$SBX_STATE/audit/audit.jsonl"
	for _ in 1 2 3 4; do capture sbx audit verify --json && refused E_CORRUPT; done
	until_true 10 told 1
	printf '%s 3\n' $(($(date +%s%3N) - 60001)) >"$SBX_STATE/alert.audit"
	for _ in 1 2; do capture sbx audit verify --json && refused E_CORRUPT; done
	until_true 10 told 2
	holds -e '.suppressed == 3' "$TMP/alerts/1"
	equals "$(cut -d' ' -f2 "$SBX_STATE/alert.audit")" 1
	printf 'garbage\0' >"$SBX_STATE/alert.audit"
	capture sbx audit verify --json && refused E_CORRUPT
	until_true 10 told 3
	equals "$(alerts)" 3
}

@test "isolation that fails is told, refused and counted; nothing runs" { # S3-71
	hook
	with_hook
	needs userns
	sbx exec --json -l bash -c true >/dev/null
	capture narrow "$BUILD/sbx" exec --json -l bash -c 'echo ran'
	refused E_ISOLATION
	until_true 10 told 1
	holds -e '.alert == "isolation" and (.message | length > 0)' "$TMP/alerts/0"
	capture sbx stats --prometheus
	grep -qE '^sbx_isolation_failures_total 1$' "$TMP/.out"
	capture sbx stats --json && ok && has '.executions == 1 and .errors.E_ISOLATION == 1'
	capture sbx audit --json --status error && ok && has '.records | length == 1 and (.[0].error | startswith("E_ISOLATION"))'
}

@test "nobody waits for a command that hangs, and its reader's end comes at once" {
	local before
	hook "exec sleep 3"
	with_hook
	upload a.txt x
	sed -i 's/success/denied/' "$SBX_STATE/audit/audit.jsonl"
	before=$SECONDS
	sbx audit verify 2>&1 | cat >/dev/null
	[ $((SECONDS - before)) -le 2 ]
	until_true 10 told 1
}

@test "a command that is not there changes nothing, and a relative one is no setting" {
	config '{"alert_command":["/nonexistent/hook"]}'
	upload a.txt x
	sed -i 's/success/denied/' "$SBX_STATE/audit/audit.jsonl"
	capture sbx audit verify --json
	refused E_CORRUPT
	for bad in '["hook"]' '[]' '[""]' '"sh -c x"' '[1]'; do
		config '{"alert_command":'"$bad"'}'
		capture sbx ls --json
		refused E_CONFIG || { echo "$bad"; return 1; }
	done
	config '{}'
}

@test "an alert has a line of its own level for syslog" {
	needs cc
	cc -shared -fPIC -O1 -o "$TMP/log.so" -x c - <<-'C'
		#include <stdarg.h>
		#include <stdio.h>
		#include <stdlib.h>
		static void say(int p, const char *f, va_list a)
		{
			FILE *out = fopen(getenv("SYSLOG_TO"), "a");
			fprintf(out, "%d ", p);
			vfprintf(out, f, a);
			fputc('\n', out);
			fclose(out);
		}
		void syslog(int p, const char *f, ...) { va_list a; va_start(a, f); say(p, f, a); va_end(a); }
		void __syslog_chk(int p, int flag, const char *f, ...) { va_list a; va_start(a, f); say(p, f, a); va_end(a); }
	C
	upload a.txt x
	sed -i 's/success/denied/' "$SBX_STATE/audit/audit.jsonl"
	SYSLOG_TO=$TMP/syslog LD_PRELOAD=$TMP/log.so ASAN_OPTIONS=verify_asan_link_order=0:${ASAN_OPTIONS:-} \
		capture "$BUILD/sbx" audit verify --json
	refused E_CORRUPT
	grep -qE '^9 sbx: audit: the audit log is broken: audit.jsonl, line 1' "$TMP/syslog"
}
