#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# analyze.sh FLAGS... -- FILE...: gcc -fanalyzer, clang-tidy, cppcheck. A finding fails unless tests/analyze.known
# explains that one, and so does an explanation that nothing needs any more. JOBS at a time (2).
set -u
flags=()
while [ "$1" != -- ]; do flags+=("$1"); shift; done
shift
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
export out FLAGS="${flags[*]@Q}"
# not asked of gcc 12: leaks, of which it does not see that a scope ends them (AUTO_FREE), and what may be NULL
# when memory is short
gcc_one() {
	eval "gcc $FLAGS -Wall -Wextra -Wno-unused-result -fanalyzer -Wno-analyzer-malloc-leak \
		-Wno-analyzer-possible-null-argument -fdiagnostics-plain-output -fdiagnostics-path-format=none \
		-c '$1' -o /dev/null" 2>&1 | grep -E 'warning:|error:' | sed "s|^|$1\t|" >"$out/gcc.${1//\//_}"
}
tidy_one() {
	eval "clang-tidy --quiet '$1' -- $FLAGS" 2>/dev/null | grep -E 'warning:|error:' | sed "s|$PWD/||; s|^|$1\t|" \
		>"$out/tidy.${1//\//_}"
}
export -f gcc_one tidy_one
tools=0
printf '%s\n' "$@" | xargs -P "${JOBS:-2}" -I{} bash -c 'gcc_one {}' && tools=$((tools + 1))
if command -v cppcheck >/dev/null; then
	cppcheck -q --enable=warning,portability --inline-suppr --suppress=missingIncludeSystem \
		--suppress=unknownMacro -D_GNU_SOURCE -Icommon -Icli -Ihelper \
		--template='{file}:{line}:{column}: {severity}: {message} [{id}]' --template-location= "$@" 2>&1 |
		sed -nE 's/^([^:]+)(:[0-9]+:[0-9]+: .*\[[A-Za-z]+\])$/\1\t\1\2/p' >"$out/cppcheck"
	tools=$((tools + 1))
fi
if command -v clang-tidy >/dev/null; then
	printf '%s\n' "$@" | xargs -P "${JOBS:-2}" -I{} bash -c 'tidy_one {}' && tools=$((tools + 1))
fi
cat "$out"/* | sort -u >"$out/all"
python3 tests/analyze.py "$out/all" tests/analyze.known "$tools"
