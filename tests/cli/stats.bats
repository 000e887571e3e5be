#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# stats: the counters by the command, as JSON, for a person and for Prometheus.
load ../helpers

stats() { capture sbx stats --json && ok; }

@test "before anything has happened all is zero, and each member is there" {
	stats
	has '.executions == 0 and .running == 0 and .waiting == 0 and .by_status == {} and .errors == {} and .timeouts == 0'
	has '.wall.p50_ms == 0 and (.wall.buckets | length > 5 and (.[-1].le_ms == null)) and (.minutes | length == 120)'
	has '.since | test("^[0-9-]{10}T[0-9:.]{12}Z$")'
}

@test "runs, files, refusals and their reasons are counted" { # S3-61 S3-62 S3-63 S4-17 S4-64
	upload a.txt hello
	request get "$(in_session '{"name":"a.txt","out":"'"$TMP"'/got"}')" && ok
	bash_code true && ok
	bash_code 'exit 1' && ok
	python 'while True: pass' '{"limits":{"wall_ms":300}}' && ok && has '.status == "timeout" or .status == "cpu_limit"'
	request get "$(in_session '{"name":"none","out":"'"$TMP"'/got"}')" && refused E_NOT_FOUND
	request exec '{"lang":"no-such","code":""}' && ! ok >/dev/null
	config '{"upload_bytes":10}'
	request upload '{"files":[{"name":"b","content":"more than ten bytes"}]}' && refused E_QUOTA
	stats
	has '.executions == 3 and .by_status.success == 1 and .by_status.error == 1 and .by_lang.bash == 2 and .by_lang.python == 1 and .by_isolation.userns == 3'
	has '.timeouts == 1 and .limits_hit.wall_ms == 1 and .cpu_ms > 0 and .memory_peak_bytes_max > 0'
	has '.uploads == 1 and .upload_bytes == 5 and .downloads == 1 and .download_bytes == 5 and .quota_refused == 1'
	has '.errors.E_NOT_FOUND == 1 and .errors.E_QUOTA == 1'
	has '([.wall.buckets[].count] | add) == 3 and ([.minutes[].runs] | add) == 3 and ([.minutes[].failed] | add) == 2 and ([.minutes[].refused] | add) >= 1'
	has '.wall.p50_ms <= .wall.p95_ms and .wall.p95_ms <= .wall.p99_ms and .wall.sum_ms >= 300'
}

@test "for Prometheus each metric has HELP and TYPE once, names and labels are plain" { # S3-66 S3-67 S3-68 S3-69 S3-70
	bash_code true && ok
	capture sbx stats --prometheus
	equals "$status" 0
	python3 - "$TMP/.out" <<-'P'
		import re, sys
		helps, types, seen = {}, {}, {}
		for line in open(sys.argv[1]):
		    line = line.rstrip('\n')
		    if line.startswith('# HELP '):
		        name = line.split(' ', 3)[2]
		        assert name not in helps and len(line.split(' ', 3)) == 4, line
		        helps[name] = 1
		    elif line.startswith('# TYPE '):
		        _, _, name, kind = line.split(' ')
		        assert name in helps and name not in types and kind in ('counter', 'gauge', 'histogram'), line
		        types[name] = kind
		    else:
		        m = re.fullmatch(r'([a-z_]+)(\{[a-z]+="[A-Za-z0-9_.+#-]*"\})? (-?[0-9.e+]+)', line)
		        assert m, line
		        base = re.sub(r'_(bucket|sum|count)$', '', m[1])
		        assert m[1] in types or types.get(base) == 'histogram', line
		        assert (m[1], m[2]) not in seen, line
		        seen[m[1], m[2]] = float(m[3])
		        assert m[1].startswith('sbx_'), line
		for name in ('executions_total', 'cpu_seconds_total', 'memory_bytes_max', 'timeouts_total', 'security_violations_total', 'running', 'waiting'):
		    assert 'sbx_' + name in types, name
		assert seen['sbx_executions_total', '{isolation="userns"}'] == 1
		le = [v for (n, l), v in seen.items() if n.endswith('duration_seconds_bucket')]
		assert le == sorted(le) and le[-1] == 1 == seen['sbx_execution_duration_seconds_count', None]
	P
}

@test "the prefix of the metrics is that of the configuration" {
	config '{"metrics_prefix":"omnimind_sandbox_"}'
	bash_code true && ok
	capture sbx stats --prometheus
	grep -qx 'omnimind_sandbox_executions_total{isolation="userns"} 1' "$TMP/.out"
	run ! grep -q '^sbx_' "$TMP/.out"
	request stats '{"prometheus":true}'
	grep -q '^omnimind_sandbox_running 0$' "$TMP/.out"
}

@test "a name that a request made up becomes no label of its own" { # hostile words
	local i
	for i in 'a"} 1' $'x\nsbx_forged_total 9' '{evil="1"}'; do
		request exec "$(jq -cn --arg l "$i" '{lang: $l, code: "x"}')"
		[ "$status" -ne 0 ]
		request exec "$(jq -cn --arg p "$i" '{lang: "bash", code: "x", profile: $p}')"
		[ "$status" -ne 0 ]
	done
	capture sbx stats --prometheus
	run ! grep -E 'forged|evil|"a' "$TMP/.out"
}

@test "for a person there is one line a counter" {
	bash_code true && ok
	capture sbx stats
	equals "$status" 0
	grep -qE '^executions +1$' "$TMP/.out"
	grep -qE '^by_status/success +1$' "$TMP/.out"
	grep -qE '^running +0$' "$TMP/.out"
	run ! grep -P '[^\x0a\x20-\x7e]' "$TMP/.out"
}

@test "what runs at the moment is told" {
	local pid
	"$BUILD/sbx" exec -l bash -c 'sleep 20' >/dev/null 2>&1 &
	pid=$!
	one_runs() { stats && has '.running == 1' >/dev/null; }
	until_true 10 one_runs
	kill $pid
	wait $pid || :
	none_runs() { stats && has '.running == 0' >/dev/null; }
	until_true 10 none_runs
}

@test "unknown options and members are refused, and a counter file that is none is set aside" {
	capture sbx stats --xml
	refused_words 2 xml
	request stats '{"nonsense":true}' && refused E_REQUEST /nonsense
	bash_code true && ok
	head -c 100 /dev/urandom >"$SBX_STATE/stats.bin"
	stats
	has '.executions == 0'
	[ -e "$SBX_STATE/stats-old.bin" ]
	rm "$SBX_STATE/stats.bin"
	ln -s /etc/passwd "$SBX_STATE/stats.bin"
	capture sbx stats --json
	refused E_INTERNAL
}
