# SPDX-License-Identifier: Apache-2.0
# What the tests of images share. $SBX, $SBX_AS (words before it) and $SBX_IMAGES come from ./check.
sbx() { $SBX_AS "$SBX" "$@"; }

setup_session() {
  work=$(mktemp -d "$SBX_WORK/t.XXXXXX")
  chmod 777 "$work"
  printf 'some words\n' >"$work/in.txt"
  session=$(echo '{"files": [{"name": "in.txt", "content": "some words\n"}]}' | sbx upload | jq -r .session)
  [ -n "$session" ]
}

teardown() {
  if [ -n "${session:-}" ]; then sbx rm --session -s "$session" >/dev/null 2>&1 </dev/null || true; fi
  if [ -n "${work:-}" ]; then rm -rf "$work"; fi
}

# exec_file PROFILE LANG FILE OPTION...: its answer is in $answer
exec_file() {
  local profile=$1 lang=$2 file=$3
  shift 3
  answer=$(jq -n --arg p "$profile" --arg l "$lang" --rawfile c "$file" --arg s "$session" \
    '{profile: $p, lang: $l, code: $c, session: $s}' | jq "${1:-.}" | sbx exec)
}

exec_code() { # PROFILE LANG CODE FILTER
  printf '%s' "$3" >"$work/code"
  exec_file "$1" "$2" "$work/code" "${4:-.}"
}

want() { # FILTER: true of the answer, else the answer is shown
  jq -e "$1" >/dev/null <<<"$answer" || { echo "not so: $1" >&2; echo "$answer" >&2; return 1; }
}

fetch() { sbx get -s "$session" --name "$1" </dev/null; }
