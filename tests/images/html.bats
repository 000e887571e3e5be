#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Pages to pictures and PDF, by what the pixels are.
load helper

setup() { setup_session; }

# pixels FILE X,Y...: the colours there, as read by a decoder of our own
pixels() { python3 "$BATS_TEST_DIRNAME/code/pixels.py" "$@"; }

@test "a grid, a font of the session, a canvas, and no network" { # S0-07, S0-13
  python3 "$BATS_TEST_DIRNAME/code/font.py" "$work/square.ttf"
  sbx upload --json -s "$session" "$work/square.ttf" </dev/null >/dev/null
  exec_file browser html "$BATS_TEST_DIRNAME/code/page.html" '.args = ["--width=400", "--height=300"]'
  want '.status == "success" and ([.files[].name] | sort == ["page.pdf","page.png"])'
  want '.stderr | test("not loaded: http://example.com/x.png")'
  want '.stderr | test("not loaded: https://example.com/data")'
  fetch page.png >"$work/page.png"
  # grid: left red, right blue; canvas: green; the font's A is a filled square: black;
  # the answer of the network: absent, so its box stays yellow
  run pixels "$work/page.png" 50,50 250,50 50,150 50,250 250,250 size
  [ "$output" = "ff0000 0000ff 00ff00 000000 ffff00 400x300" ]
}

@test "scripts run, promises and timers included" {
  exec_code browser html '<body style="margin:0;background:#fff"><script>setTimeout(async()=>{await 0;document.body.style.background="#123456"},1500)</script>' '.args = ["--png","--width=40","--height=30","--scale=2"]'
  want '.status == "success"'
  fetch page.png >"$work/page.png"
  [ "$(pixels "$work/page.png" 5,5 size)" = "123456 80x60" ]
}

@test "the whole page, not only the window" {
  exec_code browser html '<body style="margin:0"><div style="height:2000px;background:#00f"></div><div style="height:50px;background:#f00">' '.args = ["--png","--full-page","--width=100","--height=100"]'
  fetch page.png >"$work/page.png"
  [ "$(pixels "$work/page.png" 50,2020 size)" = "ff0000 100x2050" ]
}

@test "the same page gives the same picture" {
  exec_file browser html "$BATS_TEST_DIRNAME/code/page.html" '.args = ["--png"]'
  fetch page.png >"$work/1.png"
  exec_file browser html "$BATS_TEST_DIRNAME/code/page.html" '.args = ["--png"]'
  fetch page.png | cmp - "$work/1.png"
}

@test "the PDF has the page's text" { # S2-25
  exec_code browser html '<h1>Relatório anual</h1><p>quatro mil</p>' '.args = ["--pdf"]'
  want '[.files[].name] == ["page.pdf"]'
  # read by another program, in the image for analysis
  exec_code data python 'import pypdf; print(pypdf.PdfReader("page.pdf").pages[0].extract_text())'
  want '.stdout | gsub("[ \\n]"; "") | test("Relatórioanual.*quatromil")'
}

@test "a page of the session is rendered by its name, with what lies beside it" { # S0-07, S0-75
  printf '<link rel=stylesheet href=s.css><body>' >"$work/index.html"
  printf 'body{margin:0;background:#abcdef}' >"$work/s.css"
  sbx upload --json -s "$session" "$work/index.html" "$work/s.css" </dev/null >/dev/null
  answer=$(jq -n --arg s "$session" '{session:$s,page:"index.html",png:true,name:"shot",width:20,height:20}' | sbx render --request -)
  want '.status == "success" and [.files[].name] == ["shot.png"]'
  fetch shot.png >"$work/s.png"
  [ "$(pixels "$work/s.png" 5,5)" = abcdef ]
}

@test "a page cannot read the host, or leave anything behind" { # S0-13
  exec_code browser html '<pre id=p></pre><script>for(const u of ["file:///root/.bashrc","file:///home","file:///proc/1/environ","http://127.0.0.1/"])fetch(u).then(r=>console.log("read "+u)).catch(e=>console.log("refused "+u))</script>' '.args = ["--png"]'
  want '.status == "success" and (.stderr | test("refused file:///root")) and (.stderr | test("read ") | not)'
  want '[.files[].name] == ["page.png"]'
}

@test "a page that loops is ended by the limit of time" {
  exec_code browser html '<script>for(;;);</script>' '.limits = {wall_ms: 5000}'
  want '.status == "timeout" or .status == "cpu_limit"'
}

@test "a page that allocates without end is ended" {
  exec_code browser html '<script>const a=[];for(;;)a.push(new Float64Array(4e6).fill(1.5))</script>' '.limits = {wall_ms: 10000}'
  want '.status != "success"'
}

@test "a page that opens windows without end is ended" {
  exec_code browser html '<script>for(;;)window.open("about:blank")</script>' '.limits = {wall_ms: 8000}'
  want '.status != "success"'
}

@test "the static form has no script, no address, and what it needs inside" { # S0-07, S0-13
  printf '\211PNG\r\n\032\n' >"$work/i.png"
  printf '@import "more.css"; body{background:url(i.png)}' >"$work/s.css"
  printf 'p{color:red;background:url(https://example.com/x.png)}' >"$work/more.css"
  sbx upload --json -s "$session" "$work/i.png" "$work/s.css" "$work/more.css" </dev/null >/dev/null
  exec_file browser html "$BATS_TEST_DIRNAME/code/hostile.html" '.args = ["--static"]'
  want '.status == "success" and [.files[].name] == ["page.static.html"]'
  fetch page.static.html >"$work/out.html"
  grep -q "Content-Security-Policy" "$work/out.html"
  grep -q "data:image/png;base64," "$work/out.html"
  grep -q "p{color:red" "$work/out.html"
  grep -q "harmless text" "$work/out.html"
  python3 "$BATS_TEST_DIRNAME/code/inert.py" "$work/out.html"
}

@test "the static form runs nothing in a real browser" { # S0-13
  exec_file browser html "$BATS_TEST_DIRNAME/code/hostile.html" '.args = ["--static"]'
  answer=$(jq -n --arg s "$session" '{session:$s,page:"page.static.html",png:true}' | sbx render --request -)
  want '.status == "success" and (.stderr | test("pwned|not loaded") | not)'
}

@test "with the image's fonts, Chinese, Arabic and emoji are drawn, each its own way" {
  [ -f "$SBX_IMAGES/browser.json" ] || skip "the image 'browser' is not built"
  mkdir -p "$work/conf/sbx/profiles"
  echo '{"extends": "browser", "root": "browser"}' >"$work/conf/sbx/profiles/pages.json"
  chmod -R a+rX "$work"
  SBX_AS="$SBX_AS XDG_CONFIG_HOME=$work/conf"
  for text in 漢 字 ع ب 😀 🚀; do
    exec_code pages html "<body style='margin:0;font:60px sans-serif'>$text" '.args = ["--png","--width=100","--height=100"]'
    want '.status == "success"'
    fetch page.png | sha256sum
  done >"$work/sums"
  # a glyph that is missing would be the same box for all
  [ "$(sort -u "$work/sums" | wc -l)" -eq 6 ]
}
