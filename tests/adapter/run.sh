#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# The adapter's suites: its own, then the published tools of LibreChat. SBX_REAL=PATH tests against that sbx.
# SBX_NO_CLIENTS=1 leaves out the second, which installs about 1.5 GB of packages.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../contrib/librechat" && pwd)
cd "$here"
if [ -n "${SBX_REAL:-}" ]; then
	SBX_REAL=$(realpath "$SBX_REAL")
	export SBX_REAL
fi
npm ci --ignore-scripts --no-audit --no-fund
npm test
if [ -z "${SBX_NO_CLIENTS:-}" ]; then
	for generation in a c d; do
		(cd "clients/$generation" && npm ci --ignore-scripts --no-audit --no-fund)
	done
	npm run test:clients
fi
