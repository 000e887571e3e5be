#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Style of everything that is no C logic: scripts, pages, profiles, headers alone, words, SPDX lines.
set -u
bad=0 good=0
check() { # NAME COMMAND...
	local name=$1; shift
	if "$@"; then good=$((good + 1)); else bad=$((bad + 1)); echo "lint: $name" >&2; fi
}
list() { git ls-files -z "$@" 2>/dev/null | tr '\0' '\n' | while read -r f; do [ -f "$f" ] && echo "$f"; done; }

mapfile -t scripts < <(list '*.sh' '*.bash' 'tests/run' 'tests/bench/run' 'tests/vm/check' 'tests/images/check' '.ci/run' '.githooks/*' | grep -v '^completions/')
[ ${#scripts[@]} = 0 ] || check shellcheck shellcheck -S warning -e SC2034,SC2154 "${scripts[@]}"
mapfile -t pages < <(list 'man/*')
[ ${#pages[@]} = 0 ] || check mandoc mandoc -Tlint -W warning "${pages[@]}"
for h in $(list 'common/*.h' 'cli/*.h' 'helper/*.h'); do
	check "$h alone" ${CC:-gcc} -std=gnu17 -D_GNU_SOURCE -Icommon -Icli -Ihelper -I"${BUILD:-build}" -fsyntax-only -x c "$h"
done
for p in $(list 'profiles/*.json' 'profiles/seccomp/*.json'); do check "$p" jq -e . "$p" >/dev/null; done
mapfile -t words < <(list '*.md' '*.c' '*.h' '*.1' '*.5' '*.7' '*.8' | grep -v '^tests/probe/')
check codespell codespell -q 3 -L 'erro,ser,ans,te,nd,hist,creat,fo,ue,ot,thar,mis,ois,numer,clos,wit,parms,doas,chage,stap' "${words[@]}"
missing=$(list '*.c' '*.h' '*.sh' '*.bats' '*.mk' Makefile | while read -r f; do head -3 "$f" | grep -q SPDX || echo "$f"; done)
check "SPDX line missing: $missing" test -z "$missing"
echo "$good passed, $bad failed"
[ $bad = 0 ]
