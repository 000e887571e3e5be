#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Looks at linked programs: position independent, read-only relocations bound at start, no executable
# stack, fortified, with a stack protector; nothing setuid.
set -u
bad=0 good=0
say() { if "$2"; then good=$((good + 1)); else bad=$((bad + 1)); echo "hardening: $1" >&2; fi; }
for p; do
	case $p in */sbx-probe) continue;; esac	# what an attacker would bring: built as one would
	h=$(readelf -hlWd "$p")
	pie=false relro=false now=false stack=false plain=false
	grep -q 'Type:.*DYN' <<<"$h" && pie=true
	grep -q GNU_RELRO <<<"$h" && relro=true
	grep -qE 'BIND_NOW|Flags:.*NOW' <<<"$h" && now=true
	grep -E 'GNU_STACK' <<<"$h" | grep -qv 'RWE' && stack=true
	[ ! -u "$p" ] && [ ! -g "$p" ] && plain=true
	say "$p is not position independent" $pie
	say "$p has no RELRO" $relro
	say "$p is not bound at start" $now
	say "$p has an executable stack" $stack
	say "$p is setuid or setgid" $plain
	protector=false
	{ nm -D "$p" 2>/dev/null; nm "$p" 2>/dev/null; } | grep -q '__stack_chk_fail' && protector=true
	say "$p has no stack protector" $protector
done
echo "$good passed, $bad failed"
[ $bad = 0 ]
