#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# prompt: what a model is told, from the resolved profile and what is really there.
load ../helpers

prompt() { capture sbx prompt --json "$@" && ok; }

@test "both parts tell languages, limits, files and the network of the profile" {
	needs mount
	profile short '{"extends":"default","limits":{"wall_ms":7000,"memory_bytes":104857600},"prompt":"Be brief.\n"}'
	prompt short
	has '.profile == "short" and .lang == "en" and .own_template == false'
	has '.tool | test("Languages: .*python [0-9.]+") and test("7 s of time") and test("100 MiB of memory") and test("/mnt/data") and test("no network")'
	has '.system | test("profile \"short\"") and test("Be brief")'
	has '[.tool, .system] | all(test("[{}]") | not)'
	request prompt '{"profile":"short","part":"tool"}' && ok && has 'has("tool") and (has("system") | not)'
	capture sbx prompt --part system short
	grep -q 'Be brief' "$TMP/.out"
	run ! grep -q 'Languages:' "$TMP/.out"
	capture sbx prompt -p short --lang pt
	grep -q 'Linguagens:' "$TMP/.out"
	grep -q '7 s de tempo' "$TMP/.out"
}

@test "a language whose run-time is not there is not told" {
	profile odd '{"extends":"default","languages":{"klingon":{"file":"main.k","run":["/usr/bin/no-such-program","{file}"]}}}'
	prompt odd
	has '.tool | test("klingon") | not'
}

@test "an operator's template goes before ours, the narrowest first; its braces are its own" {
	local dir=$XDG_CONFIG_HOME/sbx
	printf 'all {profile} {nonsense} {' >"$dir/prompt.txt"
	prompt default
	has '.own_template and .system == "all default {nonsense} {"'
	printf 'pt {profile}' >"$dir/prompt.pt.txt"
	prompt --lang pt default
	has '.system == "pt default"'
	printf 'mine {network}{profile}' >"$dir/prompt-default.txt"
	prompt --lang pt default
	has '.system | startswith("mine ") and endswith("default")'
	printf 'mine pt' >"$dir/prompt-default.pt.txt"
	prompt --lang pt default
	has '.system == "mine pt"'
	prompt mvp
	has '.system == "all mvp {nonsense} {"'
	# what a profile brings is text, not a template
	profile brace '{"extends":"default","prompt":"{profile}{languages}"}'
	printf '{prompt}' >"$dir/prompt.txt"
	prompt brace
	has '.system == "{profile}{languages}"'
}

@test "named tools are told" {
	profile tooled '{"extends":"default","tools":{"plot_it":{"lang":"python","description":"Draws."}}}'
	prompt tooled
	has '.system | test("- plot_it: Draws\\.")'
}

@test "unknown profiles, languages, parts and members are refused" {
	capture sbx prompt no-such-profile
	refused_words 66 no-such-profile
	request prompt '{"profile":"../default"}' && ! ok >/dev/null
	request prompt '{"lang":"de"}' && refused E_REQUEST /lang
	request prompt '{"part":"all"}' && refused E_REQUEST /part
	request prompt '{"operands":["default"]}' && refused E_REQUEST /operands
	request prompt '{"x":1}' && refused E_REQUEST /x
	capture sbx prompt default mvp
	[ "$status" -ne 0 ]
}
