#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What was promised about profiles, prompts, logs and counters and is proven nowhere else, one test a promise.
load ../helpers

@test "a profile with nothing but Python works by itself, and others add to it" { # S0-12, S0-39, S0-41, S2-60
	profile only '{"extends":"default","languages":{"javascript":null,"typescript":null,"bash":null}}'
	python 'print(6*7)' '{"profile":"only"}'
	ok
	has '.stdout == "42\n"'
	local lang
	for lang in javascript typescript bash; do
		run_code $lang 1 '{"profile":"only"}'
		refused E_POLICY /lang
	done
	capture sbx profile show only --json
	has '.profile.languages | keys == ["python"]'
	needs node
	run_code javascript 'console.log(1)'
	ok
}

@test "the text for a model comes from the profile, and the operator's own takes its place" { # S0-08, S2-48
	capture sbx prompt --json
	ok
	has '(.own_template | not) and (.tool | test("[Pp]ython")) and (.system | length > 200)'
	has '.tool | test("/mnt/data") and test("Name artifacts for what they hold")'
	profile only '{"extends":"default","languages":{"javascript":null,"typescript":null,"bash":null}}'
	capture sbx prompt only --json
	ok
	has '(.tool | test("[Pp]ython")) and (.tool | test("[Jj]ava[Ss]cript") | not)'
	printf 'House rules for {profile}: {languages}.\n' >"$XDG_CONFIG_HOME/sbx/prompt.txt"
	capture sbx prompt only --json
	ok
	has '.own_template and (.system | test("^House rules for only: python 3"))'
}

@test "files stay for as long as the operator says, for each session" { # S0-73, S2-32, S2-43, S2-64
	config '{"session_ttl_ms":3600000}'
	upload old x
	local old=$session
	upload new x
	touch -d '2 hours ago' "$SBX_STORAGE"/*/"$old"/.session.json
	capture sbx gc --json
	ok
	request ls "{\"session\":\"$old\"}"
	refused E_NOT_FOUND
	[ ! -e "$SBX_STORAGE"/*/"$old" ]
	equals "$(names)" new
}

@test "a run for itself, or a session that goes on: both can be asked for" { # S0-74
	python 'open("a", "w").write("1")'
	ok
	session=$(jq -r .session "$TMP/.out")
	python 'import os; print(os.listdir())'
	ok
	has '.stdout == "[]\n" and .session != $s' --arg s "$session"
	python 'import os; print(os.listdir())' "$(in_session)"
	ok
	has '.session == $s and (.stdout | contains("a"))' --arg s "$session"
	python 'open("b", "w").write("1")' "$(in_session '{"commit":"never"}')"
	ok
	equals "$(names)" a
}

@test "the history has each run with its figures, and the log one JSON object a line with a time" { # S1-09, S1-42, S1-43, S1-52, S1-53, S4-16, S4-19, S4-66
	python 'print(1)' "{\"user\":\"$USER_A\"}"
	ok
	session=$(jq -r .session "$TMP/.out")
	python 'raise SystemExit(3)' "$(in_session "{\"user\":\"$USER_A\"}")"
	capture sbx history -u $USER_A --json
	ok
	has '[.. | .exec_id? // empty] | length == 2'
	has '[.. | objects | select(has("exec_id"))] | all(has("status") and has("lang") and has("usage"))'
	local log=$SBX_STATE/audit/audit.jsonl line
	equals "$(wc -l <"$log")" 2
	while read -r line; do
		jq -e '(.createdAt | test("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{3}Z$"))
			and (.createdAt[0:19] + "Z" | fromdateiso8601) > 1700000000 and .userId == $u and .sessionId == $s
			and (.userId | type == "string") and (.sessionId | type == "string")' --arg u $USER_A --arg s "$session" <<<"$line" >/dev/null
	done <"$log"
	# for a person the same is words
	capture sbx audit -u $USER_A
	equals "$status" 0
	! jq -e . "$TMP/.out" >/dev/null 2>&1
	grep -q 'exec' <<<"$output"
	# where it lies is the operator's choice
	SBX_STATE=$TMP/other capture sbx exec --json -- true
	[ -s "$TMP/other/audit/audit.jsonl" ]
}

@test "counters tell the method, the time, the memory, the ends by time and what was attacked, under either prefix" { # S3-56, S3-60, S3-64, S3-66, S3-67, S3-68, S3-69, S3-70, S4-17
	python 'import ctypes
ctypes.CDLL(None).mount(b"a", b"/x", b"tmpfs", 0, None)
import time; time.sleep(30)' '{"limits":{"wall_ms":700}}'
	ok
	has '.status == "timeout" and .isolation.method == "userns" and (.blocked | length) == 1'
	capture sbx stats --prometheus
	equals "$status" 0
	grep -qx 'sbx_executions_total{isolation="userns"} 1' <<<"$output"
	grep -qE '^sbx_cpu_seconds_total [0-9.]+$' <<<"$output"
	grep -qE '^sbx_memory_bytes_max [1-9][0-9]*$' <<<"$output"
	grep -qx 'sbx_timeouts_total 1' <<<"$output"
	grep -qx 'sbx_security_violations_total 1' <<<"$output"
	config '{"metrics_prefix":"omnimind_sandbox_"}'
	capture sbx stats --prometheus
	grep -qx 'omnimind_sandbox_executions_total{isolation="userns"} 1' <<<"$output"
	! grep -q '^sbx_' <<<"$output"
}

@test "doctor states all that it looked at" { # S3-73, S4-17
	capture sbx doctor --json
	ok
	has '["kernel","landlock","sbx-jail","storage","state","jail","seccomp","workspace","proc","groups","cgroup"] - [.checks[].name] == []'
	has '[.checks[].name | select(startswith("lang "))] | length >= 2'
	has 'all(.checks[]; (.what | length > 0) and (.ok | type == "boolean") and (.ok or (.remedy | length > 0)))'
}

@test "the dashboard is one page that loads nothing and has the figures" { # S0-44
	python 'print(1)'
	capture sbx dashboard
	equals "$status" 0
	grep -qi '^<!doctype html>' <<<"$output"
	! grep -qiE '<script|<link|<iframe|src=.?https?:|url\(|@import' <<<"$output"
	grep -q success <<<"$output"
}

@test "settings are shown with where they come from, and a limit is changed by one line of a file" { # S4-20, S4-63
	capture sbx config --json
	has '.settings.slots_user | .value == 5 and .origin == "built in"'
	config '{"slots_user":2}'
	capture sbx config --json
	ok
	has '.settings.slots_user | .value == 2 and (.origin | contains("config.json"))'
	profile quick '{"extends":"default","limits":{"wall_ms":400}}'
	python 'import time; time.sleep(20)' '{"profile":"quick"}'
	ok
	has '.status == "timeout" and .limits.wall_ms == 400'
}

@test "output comes while the program runs" { # S4-18
	echo '{"lang":"bash","code":"echo first; while [ ! -e go ]; do sleep 0.05; i=$((i+1)); [ $i -lt 40 ] || break; done; echo last","stream":true}' >job.json
	"$BUILD/sbx" exec --request job.json >events 2>&1 &
	local pid=$!
	early() { grep -q '"event":"stdout","data":"first' events && ! grep -q '"event":"result"' events; }
	until_true 30 early
	wait $pid
	holds -s '.[0].event == "start" and .[-1].event == "result" and (map(.data // "") | join("")) == "first\nlast\n"' events >/dev/null
}

@test "the program that a model wrote runs with what it asked for, and its faults stay its own" { # S3-51, S3-06
	upload sales.csv $'month,total\njan,10\nfeb,32\n'
	python 'import csv
rows = list(csv.DictReader(open("sales.csv")))
print("total:", sum(int(r["total"]) for r in rows))
open("report.md", "w").write("# Report\n")' "$(in_session)"
	ok
	has '.stdout == "total: 42\n" and (.files | map(.name)) == ["report.md"]'
	python 'import os; os.system("rm -rf /mnt/data/*"); raise RuntimeError("oops")' "$(in_session)"
	ok
	has '.status == "error" and .committed == false'
	equals "$(names | tr '\n' ' ')" 'report.md sales.csv '
}
