#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# deps.sh [run | vm]: installs what building, testing and the demo need, with apt where it can; else says
# what to install. "run": not what only tests need; "vm": what make check-vm needs too.
set -euo pipefail

build=(gcc make pkg-config libjansson-dev libseccomp-dev nettle-dev uuid-dev libmagic-dev libsystemd-dev)
run=(python3 python3-numpy python3-pandas python3-matplotlib nodejs esbuild bash file)
check=(bats jq shellcheck mandoc codespell clang clang-format clang-tidy libclang-rt-14-dev cppcheck bubblewrap
	strace uidmap mmdebstrap git ca-certificates binutils python3-pil poppler-utils chromium-headless-shell
	python3-scipy python3-sklearn python3-lxml)
cpython=(libpython3.11-testsuite jq)	# make check-cpython alone: 30 MB
case " ${*:-} " in
*" cpython "*) want=("${build[@]}" "${run[@]}" "${cpython[@]}");;
*" run "*) want=("${build[@]}" "${run[@]}");;
*) want=("${build[@]}" "${run[@]}" "${check[@]}");;
esac
case " ${*:-} " in *" vm "*) mapfile -t -O ${#want[@]} want < <(grep -v '^#' "$(dirname "$0")/../tests/vm/packages");; esac

if ! command -v apt-get >/dev/null; then
	echo "deps: no apt-get here. What is needed, by other names:"
	echo "  Fedora: gcc make pkgconf jansson-devel libseccomp-devel nettle-devel libuuid-devel file-devel systemd-devel python3-pandas python3-matplotlib nodejs bats jq ShellCheck mandoc codespell clang clang-tools-extra cppcheck bubblewrap strace"
	echo "  Alpine: build-base pkgconf jansson-dev libseccomp-dev nettle-dev util-linux-dev file-dev linux-headers py3-pandas py3-matplotlib nodejs bats jq shellcheck mandoc codespell clang clang-extra-tools cppcheck bubblewrap strace"
	exit 0
fi
missing=()
for p in "${want[@]}"; do
	dpkg-query -W -f='${db:Status-Status}\n' "$p" 2>/dev/null | grep -qx installed && continue
	# a Node of another origin has no package of that name
	if [ "$p" = nodejs ] && command -v node >/dev/null && [ -x /usr/bin/node ]; then p=; fi
	[ -z "$p" ] || missing+=("$p")
done
[ ${#missing[@]} -gt 0 ] || exit 0
as=()
[ "$(id -u)" = 0 ] || as=(sudo)
if [ ${#as[@]} -gt 0 ] && ! command -v sudo >/dev/null; then
	echo "deps: run this as root, or install sudo: apt-get install ${missing[*]}" >&2
	exit 1
fi
echo "deps: installing ${missing[*]}"
"${as[@]}" apt-get update -qq || echo "deps: the package lists could not be updated; trying with those there are" >&2
known=()
for p in "${missing[@]}"; do
	# not every distribution has these: esbuild is TypeScript's, one has a version in its name, one is the browser
	case $p in esbuild | libclang-rt-14-dev | chromium-headless-shell) apt-cache show "$p" >/dev/null 2>&1 || continue ;; esac
	known+=("$p")
done
[ ${#known[@]} -gt 0 ] || exit 0
"${as[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${known[@]}" >/dev/null
