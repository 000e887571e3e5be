#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The shipped probes, and what they have to say.
load ../helpers

# Every probe is held; groups of the caller's own, which no unprivileged program can drop, are told.
all_held() {
	local names='[]'
	[ "$(other_groups)" -eq 0 ] || names='["id-groups"]'
	has '[.probes[] | select(.held | not) | .name] == $names' --argjson names "$names"
}

# The probes ran; the status tells whether all were held, in JSON as in words.
ran() {
	one_document && has '.v == 1 and .ok == true and (has("error") | not)' &&
		equals "$status" "$(jq 'if .failed > 0 then 1 else 0 end' "$TMP/.out")"
}

# bats test_tags=security
@test "a probe that gets through is exit status 1, in words, as JSON and by a request" {
	mkdir libexec
	ln -s "$BUILD"/sbx-jail "$BUILD"/sbx-type libexec/
	cat >libexec/sbx-probe <<-'END'
		#!/bin/bash
		case $1 in
		--list) printf '{"name":"%s","group":"g","row":"","want":"EPERM","outside":"done"}\n' through held ;;
		--hold) echo ready; read -r _ ;;
		*) printf '{"name":"through","result":"done"}\n{"name":"held","result":"EPERM"}\n' ;;
		esac
	END
	chmod 755 libexec/sbx-probe
	export SBX_LIBEXEC=$PWD/libexec
	capture sbx attack --quick
	equals "$status" 1
	grep -q '^through .*FAILED' <<<"$output"
	capture sbx attack --quick --json
	equals "$status" 1
	has '.ok == true and .failed == 1 and .held == 1'
	request attack '{"quick": true}'
	equals "$status" 1
	rm libexec/sbx-probe
	request attack '{"quick": true}'
	refused E_RUNTIME
}

# bats test_tags=slow,security
@test "sbx attack: every probe is held, and refused for a reason that is not so outside" { # S0-40, S0-64, S4-67
	capture sbx attack --json
	ran
	all_held
	has '.held >= 120'
	has '[.probes[] | select(.proven)] | length >= 120'
	has '.isolation.caps == "none" and .isolation.no_new_privs'
	has '(.probes | map(.group) | unique | length) >= 10'
	request sessions '{}'
	has '.sessions == []'
}

# bats test_tags=security
@test "sbx attack says so by its exit status, in the shell too" {
	capture sbx attack --quick
	# a group of the caller's that cannot be given up is a failed probe: it is said, not hidden
	equals "$status" "$([ "$(other_groups)" -eq 0 ] && echo 0 || echo 1)"
	grep -q "$([ "$(other_groups)" -eq 0 ] && echo '0 failed' || echo '1 failed')" <<<"$output"
}

# bats test_tags=security
@test "without a cgroup the probes are held as well" {
	SBX_CGROUP=off capture sbx attack --quick --json
	ran
	all_held
}

# bats test_tags=security
@test "with copies in the place of an overlay the probes are held as well" {
	config '{"workspace":"copy"}'
	capture sbx attack --quick --json
	ran
	all_held
	has '.isolation.workspace == "copy"'
}
