#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
load ../helpers

@test "config shows every setting with its value and where it comes from" { # S0-78
	config '{"upload_bytes":12345}'
	capture sbx config --json
	ok
	has '.settings | to_entries | all(.value | has("value") and has("origin"))'
	has '.settings.upload_bytes.value == 12345 and (.settings.upload_bytes.origin | endswith("config.json"))'
	has '.settings.session_files.origin == "built in"'
	has '.settings.storage.value == $s and .settings.storage.origin == "environment SBX_STORAGE"' --arg s "$SBX_STORAGE"
	capture sbx config
	equals "$status" 0
	grep -q '^upload_bytes  *12345  *.*config.json' <<<"$output"
}

@test "the environment has the last word, strictly read" { # S1-24, S4-54
	config '{"slots_user":3}'
	SANDBOX_MAX_CONCURRENT_EXECUTIONS=7 capture sbx config --json
	has '.settings.slots_user.value == 7'
	SBX_SLOTS_USER=9 SANDBOX_MAX_CONCURRENT_EXECUTIONS=7 capture sbx config --json
	has '.settings.slots_user.value == 9'
	for text in x -1 1.5 '1 ' 99999999999999999999; do
		SBX_SLOTS_USER=$text capture sbx config --json
		refused E_CONFIG
	done
	SBX_SLOTS_USER=0 capture sbx config --json
	refused E_CONFIG
	SBX_CGROUP=perhaps capture sbx config --json
	refused E_CONFIG
}

@test "SANDBOX_STORAGE_PATH is the store where SBX_STORAGE is not" { # S1-19
	unset SBX_STORAGE
	SANDBOX_STORAGE_PATH=$TMP/other capture sbx upload --json /etc/hostname
	[ -d "$TMP/other/.ids" ]
	SBX_STORAGE=$TMP/store
}

@test "a relative store is refused" {
	SBX_STORAGE=rel capture sbx ls --json
	refused E_CONFIG
}

@test "unknown, mistyped and out-of-range settings are refused with file and pointer" {
	local text
	for text in '{"nope":1}' '{"upload_bytes":"1"}' '{"upload_bytes":0}' '{"fsync":1}' '{"require":"landlock"}' \
		'{"cgroup":"maybe"}' '{"proc":"stale"}' '{"workspace":"x"}' '{"upload_bytes":1,"upload_bytes":2}' '[]' '{' 'x' ''; do
		config "$text"
		capture sbx config --json
		refused E_CONFIG || { echo "text: $text"; false; }
		capture sbx ls --json
		refused E_CONFIG
	done
	config '{"nope":1}'
	capture sbx config --json
	has '(.error.message | contains("config.json")) and .error.pointer == "/nope"'
}

@test "SBX_CONFIG names the only file, and it must be there" {
	echo '{"upload_bytes":77}' >own.json
	SBX_CONFIG=$PWD/own.json capture sbx config --json
	has '.settings.upload_bytes.value == 77'
	SBX_CONFIG=$PWD/absent.json capture sbx config --json
	refused E_CONFIG
}

@test "a store of somebody else is refused" {
	SBX_STORAGE=/usr capture sbx ls --json -s "$ABSENT"
	refused E_STORAGE
	has '.error.hint | length > 0'
}

@test "a store in a read-only place, or behind a file, is refused" {
	mkdir ro
	chmod 500 ro
	SBX_STORAGE=$PWD/ro/store capture sbx upload --json /etc/hostname
	refused E_STORAGE
	echo x >file
	SBX_STORAGE=$PWD/file capture sbx upload --json /etc/hostname
	refused E_STORAGE
	SBX_STORAGE=$PWD/file/below capture sbx upload --json /etc/hostname
	refused E_STORAGE
	chmod 700 ro
}

# --- profiles -------------------------------------------------------------------------------------
@test "profile ls, show and check" {
	capture sbx profile ls --json
	ok
	has '.profiles | index("default") != null'
	capture sbx profile show default --json
	ok
	has '.name == "default" and .profile.limits.wall_ms == 30000 and .origins.limits == "default"'
	capture sbx profile check --json
	ok
	capture sbx profile
	equals "$status" 0
	grep -qx default <<<"$output"
	capture sbx profile show nope --json
	refused E_NOT_FOUND
	capture sbx profile frob --json
	[ "$status" -ne 0 ]
}

@test "the limits of the default profile are those of the design" { # S0-36, S1-22, S1-23, S0-66
	capture sbx profile show default --json
	has '.profile.limits | .wall_ms == 30000 and .cpu_ms == 30000 and .memory_bytes == 536870912 and .swap_bytes == 0
		and .processes == 64 and .open_files == 256 and .file_bytes == 104857600 and .scratch_bytes == 268435456
		and .scratch_files == 10000 and .stdout_bytes == 1048576 and .stderr_bytes == 1048576'
	has '.profile.network == "none"'
}

@test "extends takes over what is not said anew, with origins" {
	profile mine '{"extends":"default","limits":{"wall_ms":1000},"languages":{"bash":null},"env":{"EXTRA":"1"}}'
	capture sbx profile show mine --json
	ok
	has '.profile.limits.wall_ms == 1000 and .profile.limits.cpu_ms == 30000 and .origins["limits/wall_ms"] == "mine"'
	has '(.profile.languages | has("bash") | not) and (.profile.languages | has("python"))'
	python 'import os; print(os.environ["EXTRA"])' '{"profile":"mine"}'
	ok
	has '.profile == "mine" and .stdout == "1\n" and .limits.wall_ms == 1000'
	bash_code true '{"profile":"mine"}'
	refused E_POLICY /lang
	python 1 '{"profile":"mine","limits":{"wall_ms":1001}}'
	refused E_LIMIT /limits/wall_ms
	profile grand '{"extends":"mine","limits":{"cpu_ms":500}}'
	capture sbx profile show grand --json
	has '.profile.limits.wall_ms == 1000 and .profile.limits.cpu_ms == 500'
}

@test "a profile that loops, is unknown or promises what cannot be kept is refused" {
	local text
	profile loop '{"extends":"loop"}'
	capture sbx profile show loop --json
	refused E_CONFIG
	profile one '{"extends":"two"}'
	profile two '{"extends":"one"}'
	capture sbx profile show one --json
	refused E_CONFIG
	for text in '{"extends":"nope"}' '{"extends":1}' '{"extends":"default","nope":1}' '{"extends":"default","limits":{"nope":1}}' \
		'{"extends":"default","limits":{"wall_ms":-1}}' '{"extends":"default","limits":[]}' '{"extends":"default","languages":[]}' \
		'{"extends":"default","languages":{"x":{}}}' '{"extends":"default","languages":{"x":{"file":"a","run":["relative"]}}}' \
		'{"extends":"default","languages":{"x":{"file":"a","run":[]}}}' \
		'{"extends":"default","network":"full"}' '{}' '[]' '{' '{"extends":"default","seccomp":"nope"}' '{"extends":"default","landlock_min":60}'; do
		profile bad "$text"
		capture sbx profile check bad --json
		refused E_CONFIG || { echo "text: $text"; false; }
	done
	profile bad '{"extends":"default","limits":{"nope":1}}'
	capture sbx profile check bad --json
	has '.error.message | contains("/limits/nope")'
}

@test "a language's file must be a plain name" {
	local name
	for name in ../../mnt/data/x a/b .. ''; do
		profile bad "$(jq -cn --arg n "$name" '{extends: "default", languages: {x: {file: $n, run: ["/usr/bin/true"]}}}')"
		capture sbx profile check bad --json
		refused E_CONFIG || { echo "name: $name"; false; }
	done
}

@test "the configured profile is the one of a request that names none" {
	profile mine '{"extends":"default","limits":{"wall_ms":1234}}'
	config '{"profile":"mine"}'
	python 1
	ok
	has '.profile == "mine" and .limits.wall_ms == 1234'
	SBX_PROFILE=default capture sbx exec --json --lang python -c 1
	has '.profile == "default"'
}

@test "a profile keeps only the types it lists" {
	profile mine '{"extends":"default","keep":["csv"]}'
	python 'open("a.csv","w").write("1"); open("b.exe","w").write("2")' '{"profile":"mine"}'
	ok
	has '(.files | map(.name)) == ["a.csv"] and .skipped == [{"name":"b.exe","reason":"a type that the profile does not keep"}]'
}

@test "doctor tells what this host can, with a remedy for what it cannot" { # S4-84
	capture sbx doctor --json
	[ "$status" -eq 0 ] || [ "$status" -eq 71 ]
	holds '.v == 1' "$TMP/.out" >/dev/null
	if [ "$status" -eq 0 ]; then
		has '.checks | length > 3 and all(has("name") and has("ok") and has("what"))'
		has '.checks | map(select(.ok | not)) | all(has("remedy"))'
	fi
	capture sbx doctor
	[ -n "$output" ]
}
