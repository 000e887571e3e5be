#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Root file systems for profiles: built from a list of packages, or taken from a directory or a tar.
# Needs no root: files belong to the caller's range of subordinate ids, so that jailed code, which
# runs under the caller's own id, owns none of them. Started by root, a range nobody uses is taken.
set -euo pipefail
export LC_ALL=C.UTF-8 PATH=$PATH:/usr/sbin:/sbin
umask 022
self=$(realpath "$0")
here=${self%/*}
self_args=("$@")

usage() {
  cat <<'U'
usage: build.sh build NAME --images DIR [--mirror URL] [--suite SUITE] [--locked] [--from DIR|TAR]
       build.sh check NAME --images DIR
       build.sh rm NAME --images DIR
U
}
say() { echo "image: $*" >&2; }
die() { echo "image: error: $*" >&2; exit 1; }

verb=${1:-} name=${2:-}
shift $(($# < 2 ? $# : 2))
images='' mirror='' suite='' from='' locked='' inner=''
while [ $# -gt 0 ]; do
  case $1 in
    --images) images=$2; shift ;;
    --mirror) mirror=$2; shift ;;
    --suite) suite=$2; shift ;;
    --from) from=$2; shift ;;
    --locked) locked=1 ;;
    --inner) inner=1 ;; # we are the throw-away user already
    *) usage >&2; exit 2 ;;
  esac
  shift
done
[[ $name =~ ^[a-z0-9_-]{1,64}$ ]] || { usage >&2; exit 2; }
[ -n "$images" ] || { usage >&2; exit 2; }

# Root becomes a user that exists in a private mount namespace only; /etc is not touched.
as_nobody() {
  local d user=sbximg id=2000000000
  d=$(mktemp -d /tmp/sbx-image.XXXXXX)
  trap 'rm -rf "$d"' EXIT
  chmod 755 "$d"
  mkdir "$d/home" "$d/tmp"
  { cat /etc/passwd; echo "$user:x:$id:$id::$d/home:/bin/bash"; } >"$d/passwd"
  { cat /etc/group; echo "$user:x:$id:"; } >"$d/group"
  echo "$user:$((id + 65536)):65536" >"$d/subuid"
  cp "$d/subuid" "$d/subgid"
  mkdir -p "$images"
  local owner part
  owner=$(stat -c %u:%g "$images")
  chown "$id:$id" "$d/home" "$d/tmp" "$images"
  for part in "$images/$name" "$images/$name".{json,lock,tree.gz} "$images/.$name.building"; do
    [ ! -e "$part" ] || chown "$id:$id" "$part"
  done
  touch /etc/subuid /etc/subgid
  # what an unprivileged reader may not reach is handed over as text
  mkdir "$d/images"
  for part in "$here"/*; do [ -f "$part" ] && cp "$part" "$d/images/"; done
  if [ -n "$from" ] && [ -f "$from" ]; then exec 7<"$from"; fi
  local status=0
  SBX_D=$d unshare -m --propagation private bash -c '
    for f in passwd group subuid subgid; do mount --bind "$SBX_D/$f" "/etc/$f"; done
    exec setpriv --reuid '$id' --regid '$id' --clear-groups env -i HOME="$SBX_D/home" USER='$user' \
      PATH=/usr/bin:/bin:/usr/sbin:/sbin TMPDIR="$SBX_D/tmp" bash "$@"' a "$d/images/build.sh" "${self_args[@]}" --inner || status=$?
  chown "$owner" "$images"
  find "$images" -mindepth 1 -maxdepth 1 -uid "$id" -exec chown "$owner" {} +
  exit "$status"
}

need() { command -v "$1" >/dev/null || die "'$1' is not installed: apt-get install $2"; }
# as root of the caller's range; root itself reaches all of it anyway
in_range() { if [ "$(id -u)" = 0 ]; then "$@"; else mmdebstrap --unshare-helper "$@"; fi; }

# The host's own sources, as one-line entries of the suite asked for.
sources() {
  local here_suite uri release component
  here_suite=$(. /etc/os-release; echo "${VERSION_CODENAME:-}")
  suite=${suite:-$here_suite}
  [ -n "$suite" ] || die "the suite is unknown: say --suite"
  if [ -n "$mirror" ]; then
    echo "deb $mirror $suite main"
    return
  fi
  apt-get indextargets --format '$(ORIGIN) $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
    while read -r origin uri release component; do
      case $origin in Debian | Ubuntu) ;; *) continue ;; esac
      echo "deb $uri ${release/#$here_suite/$suite} $component"
    done | sort -u
}

packages() { # LIST: one name a line, with what it includes
  local line
  while read -r line; do
    case $line in
      '#'* | '') ;;
      '@include '*) packages "$here/${line#@include }.packages" ;;
      *) echo "$line" ;;
    esac
  done <"$1"
}

# FILE OPTION...: a tar of "./" names into $work/root, but for "./" itself, which is the caller's
unpack() {
  local file=$1
  shift
  (cd "$work/root" && in_range tar -xp "$@" --strip-components=1 --exclude='./dev/*' -f "$file")
}

remove_tree() { # a directory of ours with files of the range in it
  [ -d "$1" ] || return 0
  chmod 700 "$1"
  if ! rm -rf "$1" 2>/dev/null; then
    # shut in a place that others cannot enter, then opened for the range
    local shut
    shut=$(mktemp -d "$images/.gone.XXXXXX")
    mv "$1" "$shut/root"
    chmod 777 "$shut/root"
    (cd "$shut/root" && in_range find . -xdev -mindepth 1 -delete)
    rm -rf "$shut"
  fi
}

list_tree() { (cd "$1" && in_range perl -e "$(cat "$here/tree.pl")"); }

clean() {
  if [ -n "${work:-}" ]; then
    [ ! -d "$work/root" ] || remove_tree "$work/root"
    rm -rf "$work"
  fi
}

build_packages() {
  local list=$here/$name.packages include=() lines epoch line
  [ -f "$list" ] || list=$images/$name.packages
  [ -f "$list" ] || die "no list of packages is called '$name'"
  need mmdebstrap mmdebstrap
  need newuidmap uidmap
  epoch=${SOURCE_DATE_EPOCH:-$(($(date +%s) / 86400 * 86400))}
  if [ -n "$locked" ]; then
    [ -f "$images/$name.lock" ] || die "there is no '$name.lock' to build from"
    epoch=$(sed -n 's/^# epoch //p' "$images/$name.lock")
    suite=$(sed -n 's/^# suite //p' "$images/$name.lock")
    mapfile -t include < <(awk -F'\t' '!/^#/ {print $1 "=" $2}' "$images/$name.lock")
  else
    mapfile -t include < <(packages "$list" | sort -u)
  fi
  suite=${suite:-$(. /etc/os-release; echo "${VERSION_CODENAME:-}")}
  lines=$(sources)
  [ -n "$lines" ] || die "this host's apt has no sources: say --mirror"
  say "$name: ${#include[@]} packages of $suite"
  export SOURCE_DATE_EPOCH=$epoch SBX_FINISH
  SBX_FINISH=$(cat "$here/finish.sh") # by value: the range may not reach where this file is
  mmdebstrap --mode=unshare --variant=minbase --format=tar \
    --include="$(IFS=,; echo "${include[*]}")" \
    --aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
    --dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
    --dpkgopt='path-exclude=/usr/share/lintian/*' --dpkgopt='path-exclude=/usr/share/gnome/help/*' \
    --essential-hook='mkdir -p "$1/usr/share/man/man1"' \
    --customize-hook='rm -f "$1/var/lib/apt/extended_states"' \
    --customize-hook='sh -c "$SBX_FINISH" finish "$1"' \
    "$suite" - "$lines" |
    unpack -
}

build_from() {
  need mmdebstrap mmdebstrap
  if [ -d "$from" ]; then
    say "$name: from a directory"
    tar -C "$from" --one-file-system -cf - . | unpack - --no-same-owner
  else
    say "$name: from a tar"
    if [ -n "$inner" ]; then exec 8<&7; else exec 8<"$from"; fi
    # tar finds out by itself how a file is packed, but not of a pipe
    case $(tar -tf /proc/self/fd/8 2>/dev/null | sed -n 1p) in
      ./*) unpack /proc/self/fd/8 --no-same-owner ;;
      *) (cd "$work/root" && in_range tar -xp --no-same-owner --exclude='dev/*' -f /proc/self/fd/8) ;;
    esac
  fi
  [ -d "$work/root/usr" ] || die "there is no /usr in it"
}

json_string() { printf '"%s"' "$(printf '%s' "$1" | tr -d '\000-\037' | sed 's/[\\"]/\\&/g')"; }

describe() { # writes NAME.lock, NAME.tree.gz and NAME.json beside the finished tree
  local hash count languages='' lang version
  say "$name: hash over the tree"
  list_tree "$work/root" >"$work/tree"
  hash=$(sha256sum <"$work/tree")
  hash=${hash%% *}
  gzip -n9 <"$work/tree" >"$work/tree.gz"
  count=0
  {
    echo "# suite ${suite:-none}"
    echo "# epoch ${SOURCE_DATE_EPOCH:-0}"
    if [ -f "$work/root/usr/share/sbx/packages" ]; then cat "$work/root/usr/share/sbx/packages"; fi
  } >"$work/lock"
  count=$(grep -vc '^#' "$work/lock" || true)
  if [ -f "$work/root/usr/share/sbx/languages" ]; then
    while IFS=$'\t' read -r lang version; do
      languages+="${languages:+,}$(json_string "$lang"):$(json_string "$version")"
    done <"$work/root/usr/share/sbx/languages"
  fi
  printf '{"name":%s,"built":"%s","hash":"%s","packages":%d,"bytes":%s,"languages":{%s}}\n' "$(json_string "$name")" \
    "$(date -u +%FT%TZ)" "$hash" "$count" "$(awk -F'\t' '{n += $3} END {printf "%.0f", n}' "$work/tree")" "$languages" >"$work/json"
}

difference() { # OLD NEW: what a person wants to know of two trees
  { diff <(gzip -dc "$1") <(gzip -dc "$2") || true; } | awk -F'\t' '
    /^</ {old[substr($1, 3)] = 1} /^>/ {new[substr($1, 3)] = 1}
    END {for (p in old) print (p in new) ? "changed " p : "removed " p; for (p in new) if (!(p in old)) print "added " p}' | sort
}

do_build() {
  local old
  mkdir -p "$images"
  exec 9>"$images/.$name.building"
  flock -n 9 || die "'$name' is being built already"
  work=$(mktemp -d "$images/.$name.XXXXXX")
  trap clean EXIT
  trap 'exit 1' INT TERM HUP
  mkdir -m 777 "$work/root" # shut in $work, which is ours alone; the range writes into it
  chmod 777 "$work/root"
  if [ -n "$from" ]; then build_from; else build_packages; fi
  chmod 755 "$work/root"
  describe
  if [ -n "$locked" ]; then
    old=$(sed -n 's/.*"hash":"\([0-9a-f]*\)".*/\1/p' "$images/$name.json" 2>/dev/null || true)
    if [ -n "$old" ] && [ "$old" != "$(sha256sum <"$work/tree" | cut -d' ' -f1)" ]; then
      say "the tree differs from the one that the lock was made of:"
      difference "$images/$name.tree.gz" "$work/tree.gz" | head -n 50 >&2
    fi
  fi
  if [ -d "$images/$name" ]; then mv "$images/$name" "$work/old"; fi
  mv "$work/root" "$images/$name"
  mv "$work/lock" "$images/$name.lock"
  mv "$work/tree.gz" "$images/$name.tree.gz"
  mv "$work/json" "$images/$name.json"
  [ ! -d "$work/old" ] || remove_tree "$work/old" || say "$name: the old tree is left in $work"
  say "$name: done, $(sed 's/.*"packages":\([0-9]*\),"bytes":\([0-9]*\).*/\1 packages, \2 bytes/' "$images/$name.json")"
}

do_check() {
  local want have
  [ -f "$images/$name.json" ] && [ -d "$images/$name" ] || die "'$name' is not built"
  want=$(sed -n 's/.*"hash":"\([0-9a-f]*\)".*/\1/p' "$images/$name.json")
  work=$(mktemp -d "${TMPDIR:-/tmp}/sbx-check.XXXXXX")
  trap clean EXIT
  list_tree "$images/$name" >"$work/tree"
  have=$(sha256sum <"$work/tree" | cut -d' ' -f1)
  echo "hash $have"
  [ "$have" != "$want" ] || return 0
  gzip -n <"$work/tree" >"$work/tree.gz"
  difference "$images/$name.tree.gz" "$work/tree.gz"
  exit 3
}

do_rm() {
  [ -d "$images/$name" ] || die "'$name' is not built"
  remove_tree "$images/$name"
  rm -f "$images/$name.json" "$images/$name.lock" "$images/$name.tree.gz" "$images/.$name.building"
}

case $verb in
  build | check | rm)
    # mmdebstrap maps no ids for root, so root goes another way
    if [ "$verb" = build ] && [ "$(id -u)" = 0 ] && [ -z "$inner" ]; then as_nobody; fi
    "do_$verb"
    ;;
  *) usage >&2; exit 2 ;;
esac
