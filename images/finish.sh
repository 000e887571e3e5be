#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs as the last step of an image's build, as root of its own user namespace, with the image's
# directory as $1: caches made, versions noted, what tells of this host or of today removed.
set -eu
root=$1
say() { echo "image: $*" >&2; }
inside() { chroot "$root" /usr/bin/env -i PATH=/usr/bin:/usr/sbin:/bin LANG=C.UTF-8 HOME=/tmp \
  SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" "$@"; }
has() { [ -e "$root/usr/bin/$1" ]; }

mkdir -p "$root/usr/share/sbx"

say "bytecode of Python's libraries"
for dir in "$root"/usr/lib/python3 "$root"/usr/lib/python3.*; do
  [ -d "$dir" ] || continue
  # some packages bring tests of syntax errors: what does not compile stays as it is
  inside python3 -m compileall -q "${dir#"$root"}" >/dev/null 2>&1 || true
done

say "font caches"
# a cache is good for a directory of this time only, and the image is written out with it
find "$root/usr/share/fonts" -type d -exec touch -d "@$SOURCE_DATE_EPOCH" {} + 2>/dev/null || true
if has fc-cache; then inside fc-cache -s -f || say "no font cache"; fi
if [ -d "$root/usr/lib/python3/dist-packages/matplotlib" ]; then
  rm -rf "$root/tmp/mpl"
  inside MPLCONFIGDIR=/tmp/mpl MPLBACKEND=Agg PYTHONDONTWRITEBYTECODE=1 \
    python3 -c 'import matplotlib.font_manager' || say "no font list of matplotlib"
  mkdir -p "$root/usr/share/sbx/matplotlib"
  cp "$root"/tmp/mpl/fontlist-*.json "$root/usr/share/sbx/matplotlib/" || true
  rm -rf "$root/tmp/mpl"
fi

say "versions of the languages"
: >"$root/usr/share/sbx/languages"
ask() { # LANGUAGE PROGRAM ARGUMENT...
  name=$1; shift
  [ -e "$root$1" ] || [ -L "$root$1" ] || return 0
  version=$(inside "$@" 2>&1 </dev/null | tr '\n' ' ' | sed -n 's/^[^0-9]*\([0-9][0-9.]*[0-9]\).*/\1/p')
  [ -z "$version" ] || printf '%s\t%s\n' "$name" "$version" >>"$root/usr/share/sbx/languages"
}
ask python /usr/bin/python3 --version
ask javascript /usr/bin/node --version
ask typescript /usr/bin/esbuild --version
ask bash /usr/bin/bash --version
ask c /usr/bin/gcc -dumpfullversion
ask cpp /usr/bin/g++ -dumpfullversion
ask java /usr/bin/java --version
ask php /usr/bin/php --version
ask rust /usr/bin/rustc --version
ask go /usr/bin/go version
ask d /usr/bin/gdc -dumpfullversion
ask fortran /usr/bin/gfortran -dumpfullversion
ask r /usr/bin/R --version
ask perl /usr/bin/perl -e 'printf "%vd", $^V'
ask ruby /usr/bin/ruby --version
ask lua /usr/bin/lua5.4 -v
ask html /usr/bin/chromium-headless-shell --version

inside dpkg-query -W -f '${Package}\t${Version}\t${Architecture}\n' | LC_ALL=C sort >"$root/usr/share/sbx/packages"

say "what tells of the host or of the day"
find "$root" -xdev -type f -perm /6000 -exec chmod ug-s {} +
rm -rf "$root"/var/log/* "$root"/var/cache/apt/* "$root"/var/cache/man/* "$root"/var/cache/ldconfig/* \
  "$root"/var/cache/debconf/* "$root"/var/lib/apt/lists/* "$root"/var/lib/dpkg/*-old \
  "$root"/etc/apt/sources.list "$root"/etc/apt/sources.list.d/* \
  "$root"/etc/resolv.conf "$root"/etc/hostname "$root"/etc/machine-id "$root"/var/lib/dbus/machine-id \
  "$root"/etc/passwd- "$root"/etc/group- "$root"/etc/shadow- "$root"/etc/gshadow-
