#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# sbx image: from a directory or a tar, checked, found out when changed, removed.
load helper

setup() {
  [ "$(id -u)" = 0 ] || command -v newuidmap >/dev/null
  work=$(mktemp -d "$SBX_WORK/i.XXXXXX")
  chmod 755 "$work" # the throw-away user of a build by root reads it
  mkdir -p "$work/root/usr/bin" "$work/root/etc" "$work/images"
  cp /bin/sh "$work/root/usr/bin/sh"
  ln -s usr/bin "$work/root/bin"
  echo x >"$work/root/etc/issue"
}

teardown() {
  build rm mine >/dev/null 2>&1 || true
  rm -rf "$work"
}

build() { bash "$BATS_TEST_DIRNAME/../../images/build.sh" "$1" "$2" --images "$work/images" "${@:3}"; }

@test "an image is taken from a directory and checked" {
  build build mine --from "$work/root"
  jq -e '.name == "mine" and (.hash | length == 64)' "$work/images/mine.json"
  build check mine
  [ "$(cat "$work/images/mine/etc/issue")" = x ]
}

@test "its files belong to ids that no jail has" {
  build build mine --from "$work/root"
  [ "$(stat -c %u "$work/images/mine/usr/bin/sh")" -ge 65536 ]
}

@test "the hash is of the content: the same from a tar" {
  build build mine --from "$work/root"
  one=$(jq -r .hash "$work/images/mine.json")
  tar -C "$work/root" -czf "$work/root.tar.gz" .
  build build mine --from "$work/root.tar.gz"
  [ "$one" = "$(jq -r .hash "$work/images/mine.json")" ]
}

@test "a changed file, a new one and a lost one are found" {
  build build mine --from "$work/root"
  [ "$(id -u)" = 0 ] || skip "only root changes a file of the range from outside"
  echo y >"$work/images/mine/etc/issue"
  echo z >"$work/images/mine/etc/new"
  rm "$work/images/mine/bin"
  run build check mine
  [ "$status" -eq 3 ]
  grep -q "changed etc/issue" <<<"$output"
  grep -q "added etc/new" <<<"$output"
  grep -q "removed bin" <<<"$output"
}

@test "a wrong name, an absent one, and no /usr are refused" {
  run build build ../x
  [ "$status" -ne 0 ]
  run build check absent
  [ "$status" -ne 0 ]
  mkdir "$work/empty"
  run build build mine --from "$work/empty"
  [ "$status" -ne 0 ]
  [ ! -e "$work/images/mine" ]
  [ -z "$(find "$work/images" -maxdepth 1 -name '.mine.??????')" ]
}

@test "what is removed is gone" {
  build build mine --from "$work/root"
  build rm mine
  [ ! -e "$work/images/mine" ] && [ ! -e "$work/images/mine.json" ]
}

@test "sbx image ls tells of what there is" {
  answer=$(sbx image ls --json </dev/null)
  want '[.images[].name] | index("data") != null'
  want '.images[] | select(.name == "data") | .languages.python != null and .packages > 100'
}
