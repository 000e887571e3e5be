#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A real analysis on the image "data", under the default limits.
load helper

setup() { setup_session; }

@test "xlsx in, merged, a regression, three plots, a docx and a pdf out" { # S2-24, S2-53
  exec_file data python "$BATS_TEST_DIRNAME/code/analysis_make.py" '.commit = "always"'
  want '.status == "success"'
  exec_file data python "$BATS_TEST_DIRNAME/code/analysis.py"
  want '.status == "success" and .limits.memory_bytes == 536870912 and .limits.wall_ms == 30000'
  want '.stdout | test("slope 2\\.0[0-9]* r2 0\\.99")'
  want '[.files[].name] | sort == ["merged.xlsx","plot_1.png","plot_2.png","plot_3.png","report.docx","report.pdf"]'
  want '[.files[] | select(.mime == "image/png")] | length == 3'
  fetch plot_1.png >"$work/p.png"
  [ "$(head -c 8 "$work/p.png" | od -An -tx1 | tr -d ' \n')" = 89504e470d0a1a0a ]
  fetch report.pdf >"$work/r.pdf"
  [ "$(head -c 5 "$work/r.pdf")" = "%PDF-" ]
}

@test "what was written is read back by other libraries" {
  exec_file data python "$BATS_TEST_DIRNAME/code/analysis_make.py" '.commit = "always"'
  exec_file data python "$BATS_TEST_DIRNAME/code/analysis.py"
  exec_code data python 'import docx, pypdf, openpyxl, PIL.Image
print("Report" in docx.Document("report.docx").paragraphs[0].text)
print("slope" in pypdf.PdfReader("report.pdf").pages[0].extract_text())
print(openpyxl.load_workbook("merged.xlsx").active.max_row)
im = PIL.Image.open("plot_1.png"); print(len(set(im.convert("RGB").resize((80, 60)).getdata())) > 3)'
  want '.stdout == "True\nTrue\n201\nTrue\n"'
}

@test "matplotlib takes the list of fonts that the image brings" {
  exec_code data python 'import os, matplotlib.font_manager
print(all(os.path.islink(os.path.join("/tmp/.matplotlib", n)) for n in os.listdir("/tmp/.matplotlib") if n.startswith("fontlist")) and any(n.startswith("fontlist") for n in os.listdir("/tmp/.matplotlib")))'
  want '.stdout == "True\n" and .stderr == ""'
}

@test "bytecode of the libraries is in the image" {
  exec_code data python 'import pandas, numpy, sys, os
print(all(os.path.exists(m.__cached__) for m in (pandas, numpy)))'
  want '.stdout == "True\n"'
}

@test "sbx libs tells names and versions that are really there" {
  answer=$(sbx libs --json -l python data </dev/null)
  want '[.libraries.python[] | select(.import == "pandas" or .import == "docx" or .import == "sklearn")] | length == 3'
  want '.libraries.python | all(.version != "")'
}

@test "sbx prompt names only what can be imported" { # S0-08, S0-68, S2-48
  answer=$(sbx prompt --json data </dev/null)
  names=$(jq -r '.tool' <<<"$answer" | sed -n 's/^Python libraries: \(.*\); do not.*/\1/p' | tr ',' '\n' | awk '{print $1}')
  [ "$(wc -l <<<"$names")" -gt 20 ]
  exec_code data python "import importlib
for n in '''$names'''.split(): importlib.import_module(n)
print('all')"
  want '.stdout == "all\n"'
}

@test "sbx prompt takes the operator's template and fills it" { # S0-08
  mkdir -p "$work/conf/sbx"
  chmod -R a+rX "$work"
  printf 'Use {languages}. {unknown} {profile}\n' >"$work/conf/sbx/prompt.txt"
  answer=$(env XDG_CONFIG_HOME="$work/conf" bash -c '$SBX_AS env XDG_CONFIG_HOME="$XDG_CONFIG_HOME" "$SBX" prompt --json -l pt data' </dev/null)
  want '.own_template and (.system | test("^Use python 3[0-9.]*, .*\\{unknown\\} data\n$"))'
}

@test "tools: render_plot saves what is open, run_shell runs a shell" { # S2-50, S2-52
  answer=$(jq -n --arg s "$session" '{name:"render_plot",profile:"data",session:$s,code:"import matplotlib.pyplot as plt\nplt.plot([1,2])"}' | sbx tool --request -)
  want '.status == "success" and .tool == "render_plot" and .files[0].name == "plot_1.png"'
  answer=$(jq -n --arg s "$session" '{name:"run_shell",profile:"data",session:$s,code:"cat in.txt"}' | sbx tool --request -)
  want '.stdout == "some words\n"'
  run bash -c 'echo "{\"name\":\"nope\",\"profile\":\"data\",\"code\":\"\"}" | $SBX_AS "$SBX" tool --request -'
  [ "$status" -ne 0 ]
  jq -e '.error.code == "E_POLICY"' <<<"$output"
}

@test "the image cannot be written to, and none of it belongs to the code" {
  exec_code data bash 'touch /usr/x 2>&1; touch /usr/share/sbx/languages 2>&1; find /usr /etc -user user 2>/dev/null | grep -v -e ^/etc/passwd -e ^/etc/group -e ^/etc/hosts -e ^/etc/nsswitch -e "^/etc$" -e ^/etc/os-release | head -n 3; id -u'
  want '(.stdout | test("Read-only file system|Permission denied")) and (.stdout | test("/usr/bin") | not)'
}
