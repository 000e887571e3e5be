#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# compile_commands.sh COMMAND FILE...: the list that clangd and clang-tidy read.
set -eu
command=$1
shift
for f; do jq -n --arg d "$PWD" --arg c "$command -c $f" --arg f "$f" '{directory: $d, command: $c, file: $f}'; done | jq -s .
