#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Two builds in two directories give the same bytes.
set -euo pipefail
t=$(mktemp -d)
trap 'rm -rf "$t"' EXIT
for d in one two/deeper; do
	mkdir -p "$t/$d"
	git archive HEAD | tar -C "$t/$d" -x
	make -s -C "$t/$d" -j2
done
for p in sbx sbx-jail sbx-type; do cmp "$t/one/build/$p" "$t/two/deeper/build/$p"; done
echo "3 passed, 0 failed"
