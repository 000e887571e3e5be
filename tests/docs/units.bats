#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The systemd units as they are installed.
load ../helpers

setup() {
	common_setup
	mkdir -p "$TMP/bin"
	ln -s "$BUILD/sbx" "$TMP/bin/sbx"
	ln -s /bin/true "$TMP/bin/sbx-adapter"
	"$SOURCE/contrib/install-units.sh" "$TMP/lib/systemd" "$TMP/bin" sbx
	UNITS=$TMP/lib/systemd/system
}

@test "systemd finds nothing wrong with the units" {
	command -v systemd-analyze >/dev/null || lacking systemd-analyze
	local units=("$UNITS"/*.slice "$UNITS"/*.timer "$UNITS"/sbx-gc.service "$UNITS"/sbx-metrics.service)
	cp "$UNITS/sbx-adapter@.service" "$UNITS/sbx-adapter@8000.service"
	! grep -rn '@[A-Z]*@' "$UNITS"
	run systemd-analyze verify --man=no "${units[@]}" "$UNITS/sbx-adapter@8000.service"
	equals "$status" 0
	equals "$(grep -F -e "$UNITS" -e sbx <<<"$output" || :)" ""
	# it would have been seen
	sed -i 's/^Nice=/Nicer=/' "$UNITS/sbx-gc.service"
	run systemd-analyze verify --man=no "$UNITS/sbx-gc.service"
	grep -q "Unknown key .*Nicer" <<<"$output"
}

@test "the timer's service writes a whole file that others can read" { # S3-66
	local line
	mkdir -p "$TMP/run/sbx-metrics"
	line=$(sed -n "s/^ExecStart=//p" "$UNITS/sbx-metrics.service")
	line=${line//%t/$TMP/run}
	(umask 0022 && eval "$line")
	equals "$(ls -A "$TMP/run/sbx-metrics")" sbx.prom
	equals "$(stat -c %a "$TMP/run/sbx-metrics/sbx.prom")" 644
	grep -q '^# TYPE sbx_executions_total counter$' "$TMP/run/sbx-metrics/sbx.prom"
	# when it fails, what was there stays whole
	SBX_STATE=/nonexistent/x eval "$line" 2>/dev/null || :
	grep -q '^# TYPE sbx_executions_total counter$' "$TMP/run/sbx-metrics/sbx.prom"
}
