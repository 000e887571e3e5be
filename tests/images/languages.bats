#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Every language of the image "full": it works, it fails with its own words, it is limited.
load helper

setup() { setup_session; }

works() {
  exec_file full "$1" "$BATS_TEST_DIRNAME/code/$2/good" '.args = ["arg"]'
  want '.status == "success" and (.stdout | test("^hello 42 arg *\n$"))'
  want '.lang == "'"$2"'" and (.lang_version | test("^[0-9]+"))'
  want '[.files[] | select(.name == "out.txt" and .change == "created")] | length == 1'
  want '.files | length == 1'
  [ "$(fetch out.txt)" = "SOME WORDS" ]
}

fails() { # LANGUAGE WORDS: a regular expression of what its compiler or interpreter says
  exec_file full "$1" "$BATS_TEST_DIRNAME/code/$1/bad"
  want '.status == "error" and .exit_code != 0'
  jq -e --arg w "$2" '.stderr | test($w)' <<<"$answer" >/dev/null || { echo "$answer"; return 1; }
}

limited() {
  exec_file full "$1" "$BATS_TEST_DIRNAME/code/$1/loop" '.limits = {wall_ms: 4000, cpu_ms: 1000}'
  want '.status == "cpu_limit" or .status == "timeout"'
  want '.usage.wall_ms < 40000'
}

@test "python (py) says hello, reads a file, writes a file" { works py python; } # S4-12
@test "python: an error comes in its own words" { fails python 'SyntaxError'; }
@test "python: a loop is ended" { limited python; }
@test "javascript (js) says hello, reads a file, writes a file" { works js javascript; } # S4-13
@test "javascript: an error comes in its own words" { fails javascript 'SyntaxError'; }
@test "javascript: a loop is ended" { limited javascript; }
@test "typescript (ts) says hello, reads a file, writes a file" { works ts typescript; } # S1-07
@test "typescript: an error comes in its own words" { fails typescript 'Unexpected ";"'; }
@test "typescript: a loop is ended" { limited typescript; }
@test "bash (bash) says hello, reads a file, writes a file" { works bash bash; } # S4-14
@test "bash: an error comes in its own words" { fails bash 'syntax error: unexpected end of file'; }
@test "bash: a loop is ended" { limited bash; }
@test "c (c) says hello, reads a file, writes a file" { works c c; }
@test "c: an error comes in its own words" { fails c 'error: .x. undeclared'; }
@test "c: a loop is ended" { limited c; }
@test "cpp (cpp) says hello, reads a file, writes a file" { works cpp cpp; }
@test "cpp: an error comes in its own words" { fails cpp 'error: .(std|string). (has not|is not)'; }
@test "cpp: a loop is ended" { limited cpp; }
@test "java (java) says hello, reads a file, writes a file" { works java java; }
@test "java: an error comes in its own words" { fails java 'incompatible types: String cannot be converted to int'; }
@test "java: a loop is ended" { limited java; }
@test "php (php) says hello, reads a file, writes a file" { works php php; }
@test "php: an error comes in its own words" { fails php 'Parse error'; }
@test "php: a loop is ended" { limited php; }
@test "rust (rs) says hello, reads a file, writes a file" { works rs rust; } # S4-15
@test "rust: an error comes in its own words" { fails rust 'mismatched types'; }
@test "rust: a loop is ended" { limited rust; }
@test "go (go) says hello, reads a file, writes a file" { works go go; }
@test "go: an error comes in its own words" { fails go 'declared (but|and) not used'; }
@test "go: a loop is ended" { limited go; }
@test "d (d) says hello, reads a file, writes a file" { works d d; }
@test "d: an error comes in its own words" { fails d 'cannot implicitly convert'; }
@test "d: a loop is ended" { limited d; }
@test "fortran (f90) says hello, reads a file, writes a file" { works f90 fortran; }
@test "fortran: an error comes in its own words" { fails fortran 'has no IMPLICIT type'; }
@test "fortran: a loop is ended" { limited fortran; }
@test "r (r) says hello, reads a file, writes a file" { works r r; }
@test "r: an error comes in its own words" { fails r 'unexpected end of input'; }
@test "r: a loop is ended" { limited r; }
@test "perl (perl) says hello, reads a file, writes a file" { works perl perl; } # S2-06
@test "perl: an error comes in its own words" { fails perl 'syntax error at'; }
@test "perl: a loop is ended" { limited perl; }
@test "ruby (ruby) says hello, reads a file, writes a file" { works ruby ruby; } # S2-06
@test "ruby: an error comes in its own words" { fails ruby 'syntax error'; }
@test "ruby: a loop is ended" { limited ruby; }
@test "lua (lua) says hello, reads a file, writes a file" { works lua lua; } # S2-06
@test "lua: an error comes in its own words" { fails lua 'unexpected symbol'; }
@test "lua: a loop is ended" { limited lua; }
