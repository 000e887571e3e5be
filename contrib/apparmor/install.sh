#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# install.sh DESTDIR JAIL PROGRAM: the AppArmor profile that lets sbx-jail make user namespaces, where
# the parser knows the rule (4.0, as on Ubuntu 24.04); an older parser would refuse it and needs none.
set -eu
dest=$1 jail=$2 program=$3
[ -z "$dest" ] || [ -e "$dest/etc/apparmor.d" ] || exit 0
[ -e "${dest}/etc/apparmor.d/abi/4.0" ] || exit 0
sed -e "s|@JAIL@|$jail|g" -e "s|@NAME@|$program-jail|g" "$(dirname "$0")/sbx-jail.in" > "$dest/etc/apparmor.d/$program-jail"
[ -n "$dest" ] || ! command -v apparmor_parser >/dev/null || apparmor_parser -r "/etc/apparmor.d/$program-jail"
