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

# bats test_tags=slow,security
@test "sbx attack: every probe is held, and refused for a reason that is not so outside" { # S0-40, S0-64, S4-67
	capture sbx attack --json
	ok
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
	ok
	all_held
}

# bats test_tags=security
@test "with copies in the place of an overlay the probes are held as well" {
	config '{"workspace":"copy"}'
	capture sbx attack --quick --json
	ok
	all_held
	has '.isolation.workspace == "copy"'
}
