#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The shipped probes, and what they have to say.
load ../helpers

# bats test_tags=slow,security
@test "sbx attack: every probe is held, and refused for a reason that is not so outside" { # S0-40
	capture sbx attack --json
	ok
	has '.failed == 0 and .held >= 120 and (.probes | length) == .held'
	has '[.probes[] | select(.held | not)] == []'
	has '[.probes[] | select(.proven)] | length >= 120'
	has '.isolation.caps == "none" and .isolation.no_new_privs'
	has '(.probes | map(.group) | unique | length) >= 10'
	request sessions '{}'
	has '.sessions == []'
}

# bats test_tags=security
@test "sbx attack says so by its exit status, in the shell too" {
	capture sbx attack --quick
	equals "$status" 0
	grep -q '0 failed' <<<"$output"
}

# bats test_tags=security
@test "without a cgroup the probes are held as well" {
	SBX_CGROUP=off capture sbx attack --quick --json
	ok
	has '.failed == 0'
}

# bats test_tags=security
@test "with copies in the place of an overlay the probes are held as well" {
	config '{"workspace":"copy"}'
	capture sbx attack --quick --json
	ok
	has '.failed == 0 and .isolation.workspace == "copy"'
}
