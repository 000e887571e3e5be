#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# run.sh NAME BUILD SECONDS: builds tests/fuzz/NAME.c with libFuzzer and address sanitizer, and runs it
# from its seeds. What crashes it is left as a file that the last lines name.
set -euo pipefail
cd "$(dirname "$0")/../.."
name=$1 build=$2 seconds=$3
mkdir -p "$build/corpus/$name"
[ -e "$build/filters.inc" ] || make -s BUILD="$build" "$build/filters.inc"
sources=(common/*.c)
for f in cli/*.c; do [ "$f" = cli/main.c ] || sources+=("$f"); done
clang -std=gnu17 -D_GNU_SOURCE -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
	-Icommon -Icli -I"$build" -DSBX_VERSION='"fuzz"' -DSBX_LIBEXECDIR='"/nonexistent"' -DSBX_DATADIR='"/nonexistent"' \
	"tests/fuzz/$name.c" "${sources[@]}" -o "$build/$name" -ljansson -lnettle -luuid
seeds=(); [ ! -d "tests/fuzz/seeds/${name#fuzz_}" ] || seeds+=("tests/fuzz/seeds/${name#fuzz_}")
ASAN_OPTIONS=detect_leaks=0 "$build/$name" -max_total_time="$seconds" -rss_limit_mb=4096 -max_len=65536 -timeout=20 \
	-artifact_prefix="$build/" "$build/corpus/$name" "${seeds[@]}" 2>&1 | tail -4
echo "1 passed, 0 failed"
