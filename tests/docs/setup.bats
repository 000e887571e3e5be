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
