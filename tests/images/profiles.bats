#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The shipped profiles: what each offers, refuses and limits.
load helper

setup() { setup_session; }

refused() { # PROFILE LANG
  run bash -c 'jq -n --arg p "$1" --arg l "$2" "{profile: \$p, lang: \$l, code: \"1\"}" | $SBX_AS "$SBX" exec' x "$1" "$2"
  [ "$status" -eq 77 ]
  jq -e '.ok == false and .error.code == "E_POLICY" and .error.pointer == "/lang"' <<<"$output"
}

@test "every profile passes its check" { sbx profile check </dev/null; }

@test "mvp runs Python and JavaScript and renders HTML" { # S0-12, S0-41
  exec_code mvp py 'print(1)'
  want '.stdout == "1\n"'
  exec_code mvp js 'console.log(2)'
  want '.stdout == "2\n"'
  exec_code mvp html '<p>x' '.args = ["--png"]'
  want '.files[0].name == "page.png"'
}

@test "mvp refuses every other language" { # S0-12
  for lang in ts bash c cpp java php rs go d f90 r perl ruby lua; do refused mvp "$lang"; done
}

@test "browser renders and runs nothing else" { # S2-60
  for lang in py js bash; do refused browser "$lang"; done
}

@test "the ids and aliases of the contract are taken by full" {
  for lang in py js ts bash c cpp java php rs go d f90 r python javascript node nodejs sh perl ruby lua; do
    jq -n --arg l "$lang" '{profile: "full", lang: $l, code: "", session: "'"$session"'", limits: {wall_ms: 15000}}' |
      sbx exec >"$work/a" || true
    jq -e '.error.code != "E_POLICY"' "$work/a" >/dev/null
  done
}

@test "component, production and large have the limits that they are for" { # S3-18, S3-32, S3-34
  [ "$(sbx profile show component --json </dev/null | jq .profile.limits.memory_bytes)" = 100000000 ]
  [ "$(sbx profile show production --json </dev/null | jq .profile.limits.memory_bytes)" = 268435456 ]
  [ "$(sbx profile show large --json </dev/null | jq -c '.profile.limits | [.memory_bytes, .swap_bytes, .cpu_percent]')" = "[1073741824,7516192768,50]" ]
}

@test "component ends what takes more than its memory" {
  exec_code component py 'x = bytearray(300 << 20); import time; time.sleep(3); print(len(x))'
  want '.status != "success"'
}

@test "strict runs with Landlock and its own filter" { # S4-03
  exec_code strict py 'print(1)'
  want '.stdout == "1\n" and (.isolation.seccomp | startswith("strict")) and .isolation.landlock >= 2'
}
