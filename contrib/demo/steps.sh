#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Run by contrib/demo.sh as an ordinary user, with sbx in PATH.
set -euo pipefail
export SBX_STORAGE=$DEMO_OUT/storage SBX_STATE=$DEMO_OUT/state
cd "$DEMO_OUT"
[ -f co2.csv ] || cp "$DEMO_DIR/co2.csv" .
run() { printf '\n$ %s\n' "$*"; "$@"; }
run sbx upload co2.csv
run sbx exec "$DEMO_DIR/demo/analyse.py"
run sbx exec "$DEMO_DIR/demo/report.js"
run sbx ls
run sbx get co2.png -o co2.png
[ "$(head -c 8 co2.png | od -An -tx1 | tr -d ' \n')" = 89504e470d0a1a0a ] || { echo "demo: co2.png is no PNG" >&2; exit 1; }
printf '\n$ %s\n' "echo '{\"lang\":\"python\",\"code\":\"print(6*7)\"}' | sbx exec"
answer=$(echo '{"lang":"python","code":"print(6*7)"}' | sbx exec)
printf '%s\n' "$answer"
[[ $answer == *'"stdout":"42\n"'* ]] || { echo "demo: no 42 came back" >&2; exit 1; }
printf '\nThe picture is %s, %s bytes.\n' "$DEMO_OUT/co2.png" "$(stat -c %s co2.png)"
