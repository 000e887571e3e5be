#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The ways to set it up that the texts describe are there, are as short as they say, and work.
SOURCE=${SOURCE:-$(realpath "${BASH_SOURCE[0]%/*}/../..")}
BUILD=${BUILD:-$SOURCE/build}
export SOURCE BUILD
load ../helpers

# block FILE HEADING N: the Nth block of commands below a heading
block() {
	awk -v want="$2" -v n="$3" '/^#+ / { on = $0 ~ "^#+ " want "$" } on && /^```(sh|console|js|yaml|json)/ { i++; if (i == n) { print_it = 1; next } }
		/^```$/ { print_it = 0 } print_it' "$SOURCE/$1"
}
# paragraph FILE WORDS: all words stand in one paragraph, whatever its lines
paragraph() { awk -v RS= -v want="$2" '{ gsub(/\n/, " ") } index($0, want) { found = 1 } END { exit !found }' "$SOURCE/$1"; }
dry_make() { make -n -C "$SOURCE" BUILD="$BUILD" --no-print-directory "$@"; }

@test "the first answer takes three commands: build, doctor, exec" { # S1-11, S4-21
	local commands
	needs mount
	commands=$(block README.md 'First answer' 1 | grep -v '^export ')
	equals "$(sed 's/^\([a-z]* *[a-z]*\).*/\1/' <<<"$commands" | tr '\n' ,)" 'make,sbx doctor,sbx exec,'
	paragraph README.md 'The last line prints `42`'
	PATH=$BUILD:$PATH capture bash -ec "$(sed 1d <<<"$commands")" </dev/null
	equals "$status:$(tail -n 1 <<<"$output")" 0:42
	grep -qE '^ok +jail ' <<<"$output"
}

@test "make builds, and make test tests" { # S4-22
	local target
	for target in all test check; do dry_make "$target" >"$TMP/make.$target"; done
	grep -q 'tests/run' "$TMP/make.test"
	cmp "$TMP/make.test" "$TMP/make.check"
	! grep -q 'tests/run' "$TMP/make.all"
	grep -q '`check` `test`' "$SOURCE/HACKING.md"
	paragraph README.md 'make check'
}

@test "setting it up by hand is written down, and its commands do what they say" { # S4-23
	local commands line
	command -v make >/dev/null || lacking make
	commands=$(block README.md Installation 1 | sed 's/ *#.*//; s/^sudo //; s/\$HOME/\/home\/a/')
	[ "$(grep -c '^make' <<<"$commands")" -ge 4 ]
	while read -r line; do
		# shellcheck disable=SC2086 # words of a command
		dry_make ${line#make} >"$TMP/make" || { echo "does not work: $line"; false; }
		[[ $line == make ]] || grep -q "$(sed -nE 's/.*(PREFIX=)([^ ]*).*/\2/p; t; s/.*/\/usr\/local/p' <<<"$line")/bin" "$TMP/make"
		[[ $line != *PROGRAM=* ]] || grep -q "/bin/${line##*PROGRAM=}" "$TMP/make"
	done <<<"$commands"
	# the account, and the timer
	block README.md Installation 2 | grep -q '^sudo useradd --system .* sbx$'
	block README.md Installation 2 | grep -q '^sudo -u sbx sbx doctor$'
	block README.md Installation 3 | grep -q 'systemctl enable --now sbx-gc.timer'
	[ -e "$SOURCE/contrib/systemd/sbx-gc.timer" ]
}

@test "it runs from the build tree without being installed" { # S4-24
	paragraph HACKING.md 'Run from the build tree: `build/sbx` finds `sbx-jail` beside itself and the profiles in the source'
	unset SBX_LIBEXEC SBX_PROFILES
	case $BUILD in "$SOURCE"/build*) ;; *) export SBX_PROFILES=$SOURCE/profiles ;; esac
	capture "$BUILD/sbx" exec --json --lang python -c 'print(6*7)'
	ok
	has '.stdout == "42\n" and .profile == "default"'
}

# value UNIT KEY: what a unit of ours sets
value() { sed -n "s/^$2=//p" "$SOURCE/contrib/systemd/$1"; }

@test "the units come back after a failure, not for ever, in a slice with limits" { # S3-27, S3-28, S3-31, S3-32, S3-33, S3-34, S3-42
	local unit
	for unit in sbx-adapter@.service sbx-gc.service; do
		equals "$unit $(value $unit Restart) $(value $unit RestartSec) $(value $unit StartLimitIntervalSec) $(value $unit StartLimitBurst) $(value $unit Slice)" \
			"$unit on-failure 5 60 3 sbx.slice"
	done
	equals "$(value sbx-adapter@.service MemoryAccounting)" yes
	equals "$(for key in MemoryMax MemorySwapMax CPUQuota TasksMax MemoryAccounting CPUAccounting; do value sbx.slice $key; done | tr '\n' ' ')" \
		'1G 7G 50% infinity yes yes '
	grep -qE '^d /var/lib/sbx/state +0700 sbx +sbx ' "$SOURCE/contrib/systemd/tmpfiles.d/sbx.conf"
	grep -qE '^u sbx ' "$SOURCE/contrib/systemd/sysusers.d/sbx.conf"
}

@test "the adapter's unit gives it the port that is the name of the instance" { # S1-12, S4-47
	local line
	line=$(value sbx-adapter@.service ExecStart)
	mkdir bin
	# shellcheck disable=SC2016
	printf '#!/bin/sh\necho "port $SANDBOX_PORT"\n' >bin/sbx-adapter
	chmod 755 bin/sbx-adapter
	line=$(sed -e "s|@BINDIR@|$PWD/bin|; s|%i|8090|g; s|/sys/fs/cgroup|$PWD/nowhere|g" <<<"$line")
	equals "$(SANDBOX_PORT=1 bash -c "$line")" 'port 8090'
	grep -q "\['SANDBOX_PORT', 'port'" "$SOURCE/contrib/librechat/src/config.js"
}

@test "the slice is put to use and looked at with two commands that are written down" { # S3-43
	local commands
	commands=$(block README.md Installation 4)
	equals "$(wc -l <<<"$commands")" 2
	grep -qx 'sudo systemctl restart sbx-adapter@3081' <<<"$commands"
	grep -q '^systemctl show sbx-adapter@3081 sbx.slice --property=Slice,MemoryMax,' <<<"$commands"
	[ -e "$SOURCE/contrib/systemd/sbx-adapter@.service" ] && [ -e "$SOURCE/contrib/systemd/sbx.slice" ]
}

@test "what swap costs is written down, and that more memory is the choice of a profile" { # S3-37, S3-44
	local page=$SOURCE/man/sbx-profile.5
	grep -q 'some 1 to 100 microseconds, getting it back from swap some 1 to 10 milliseconds' "$page"
	grep -q 'a profile is the way to more, there is no cap for all' "$page"
}

# --- the adapter's texts --------------------------------------------------------------------------
ADAPTER=contrib/librechat/README.md

@test "the threat model has a mitigation and a proof for every threat that was asked about" { # S0-58, S0-59, S0-60, S0-61, S0-62, S0-63, S0-64, S0-65
	local page=$SOURCE/man/sbx-security.7 threat
	for threat in 'Path traversal' 'Escape by symbolic links' 'Reading secrets' 'Reaching services of the network' \
		'Exfiltration and lies through logs' 'Exhaustion' 'Escape from the jail' 'Hostile uploads'; do
		awk -v want=".Ss $threat" 'index($0, want) == 1 { on = 1; next } /^\.S[sh] / { on = 0 } on' "$page" >"$TMP/threat"
		grep -q '^\.Em Mitigation' "$TMP/threat" && grep -q '^\.Em Proof' "$TMP/threat" || { echo "without one: $threat"; false; }
	done
}

@test "the open questions have a default and a switch that is there" { # S0-72, S0-73, S0-74, S0-75, S0-76
	local question
	for question in 'Internet in the jail?' 'How long do files stay?' 'One run for itself, or a session that goes on?' \
		'HTML: a file or a picture?' 'How many at once?'; do
		grep -F "| $question |" "$SOURCE/README.md" | grep -qE '^\|[^|]+\|[^|]+\|[^|]+\|$'
	done
	capture sbx config --json
	has '.settings | has("session_ttl_ms") and has("storage_bytes") and has("slots_user") and has("slots_total") and has("wait_ms")'
	has '.settings | .slots_user.value == 5 and .slots_total.value == 64 and .wait_ms.value == 30000'
	profile open '{"extends":"default","network":"host"}'
	python 1 '{"profile":"open"}'
	refused E_CONFIG
}

@test "LibreChat and Open WebUI are wired by settings that are written down, on a private address" { # S0-02, S0-03, S2-40, S2-62, S4-44, S4-46, S4-48, S4-49
	local name
	for name in LIBRECHAT_CODE_BASEURL=http://127.0.0.1:3081/v1 LIBRECHAT_CODE_API_KEY= ENABLE_CODE_EXECUTION=true \
		CODE_EXECUTION_ENGINE=sandbox CODE_EXECUTION_SANDBOX_URL=http://127.0.0.1:3081/api/v1/execute; do
		grep -qE "^$name" "$SOURCE/$ADAPTER" || { echo "not there: $name"; false; }
	done
	paragraph $ADAPTER 'It listens on 127.0.0.1 only. Do not put it on a public address'
	paragraph $ADAPTER '*Admin Settings, Code Execution*: engine from `jupyter` to `sandbox`, the URL, the limits'
	paragraph README.md 'LibreChat needs no change, only its settings'
	# where to look: a log of JSON lines (S4-65)
	paragraph $ADAPTER 'The log is JSON lines on stdout'
	# the client's example is a program, asks for a minute, and reads what the adapter answers
	block $ADAPTER 'Other clients' 1 >client.mjs
	grep -q 'timeout: 60' client.mjs && grep -q 'const { status, stdout, error }' client.mjs
	! command -v node >/dev/null || node --check client.mjs
	# nothing of the adapter is a change to another program's tree
	[ -z "$(find "$SOURCE/contrib" -name '*.patch' -o -name '*.diff')" ]
}

@test "the example for compose restarts, is private, and hands over what the adapter reads" { # S1-17, S4-47
	local file=$SOURCE/contrib/librechat/compose.example.yaml name
	for name in 'restart: unless-stopped' 'cap_drop: \[ALL\]' 'no-new-privileges:true' 'internal: true' 'networks: \[sandbox\]'; do
		grep -qE "^ +-? ?$name( |$)" "$file" || { echo "not there: $name"; false; }
	done
	! grep -qE '^ +ports:|docker\.sock|privileged: true' "$file"
	for name in SBX_ADAPTER_HOST SANDBOX_STORAGE_PATH SBX; do grep -q "\['$name'," "$SOURCE/contrib/librechat/src/config.js"; done
}
