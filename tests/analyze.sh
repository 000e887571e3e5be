#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# analyze.sh FLAGS FILE...: gcc -fanalyzer, clang-tidy, cppcheck; any finding fails.
set -u
read -ra flags <<<"$1"
shift
bad=0 good=0
out=$(mktemp)
trap 'rm -f "$out"' EXIT
run() { # NAME COMMAND...
	local name=$1; shift
	if "$@" >"$out" 2>&1 && ! grep -qE 'warning:|error:' "$out"; then good=$((good + 1)); else
		bad=$((bad + 1)); echo "analyze: $name"; grep -E -A6 'warning:|error:' "$out" | head -40; fi
}
for f; do
	run "gcc -fanalyzer $f" gcc "${flags[@]}" -Wall -Wextra -Wno-unused-result -fanalyzer \
		-Wno-analyzer-fd-leak -Wno-analyzer-malloc-leak -Wno-analyzer-possible-null-argument -c "$f" -o /dev/null
done
if command -v cppcheck >/dev/null; then
	run cppcheck cppcheck -q --enable=warning,portability --error-exitcode=1 --inline-suppr \
		--suppress=missingIncludeSystem --suppress=unknownMacro -D_GNU_SOURCE -Icommon -Icli -Ihelper "$@"
fi
if command -v clang-tidy >/dev/null; then
	printf '%s\n' "$@" | xargs -P2 -n8 sh -c 'clang-tidy --quiet "$@" -- '"${flags[*]@Q}"' 2>/dev/null' sh >"$out" 2>&1
	if grep -qE 'warning:|error:' "$out"; then bad=$((bad + 1)); grep -E -A3 'warning:|error:' "$out" | head -120; else good=$((good + 1)); fi
fi
echo "$good passed, $bad failed"
[ $bad = 0 ]
