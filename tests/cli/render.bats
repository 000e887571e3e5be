#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# render: its options and its pages, with a language in the place of a browser; tests/images has one.
load ../helpers

# A page is "rendered" by telling the arguments and the page itself.
browser() {
	profile page '{"extends":"default","languages":{"html":{"file":"page.html","run":["/usr/bin/bash","-c","printf \"%s\\n\" \"${@:2}\" >args.txt; cat \"$1\" >page.txt; echo made", "bash", "{file}"]}}}'
}
page() { request render "$(jq -cn --argjson x "$1" '{profile: "page"} + $x')"; }

@test "each option reaches the renderer, and only those that were given" {
	browser
	page '{"code":"<h1>x</h1>"}' && ok
	has '.lang == "html" and .status == "success" and .stdout == "made\n" and (.files | map(.name) | sort) == ["args.txt", "page.txt"]'
	session=$(jq -r .session <<<"$output")
	equals "$(content_of page.txt)" '<h1>x</h1>'
	equals "$(content_of args.txt)" ''
	page '{"code":"x","png":true,"pdf":true,"static":true,"full_page":true,"width":640,"height":480,"wait_ms":50,"scale":"1.5","name":"out","session":"'"$session"'"}' && ok
	equals "$(content_of args.txt | tr '\n' ' ')" '--png --pdf --static --full-page --width=640 --height=480 --wait=50 --scale=1.5 --name=out '
	page '{"page":"-x --png\u00e9.html","session":"'"$session"'"}' && ok
	equals "$(content_of args.txt)" "--page=-x --pngé.html"
}

@test "in the shell a file, standard input, or a page of the session by its name" {
	browser
	printf '<p>file' >here.html
	capture sbx render -p page --png --width 100 --wait 2s here.html
	equals "$status:$output" 0:made
	capture sbx get page.txt
	equals "$output" '<p>file'
	capture sbx get args.txt
	equals "$output" "$(printf -- '--png\n--width=100\n--wait=2000')"
	printf '<p>stdin' | sbx render -p page - >/dev/null
	capture sbx get page.txt
	equals "$output" '<p>stdin'
	capture sbx render -p page only-in-session.html
	equals "$status" 0
	capture sbx get args.txt
	equals "$output" --page=only-in-session.html
	profile page '{"extends":"default","languages":{"html":{"file":"page.html","run":["/usr/bin/bash","-c","exit 9"]}}}'
	capture sbx render -p page here.html
	equals "$status" 9
}

@test "wrong pages, sizes and scales are refused" {
	browser
	page '{}' && refused E_REQUEST /code
	page '{"code":"x","page":"y"}' && refused E_REQUEST /code
	page '{"code":"x","scale":"1;x"}' && refused E_REQUEST /scale
	page '{"code":"x","width":0}' && refused E_REQUEST /width
	page '{"code":"x","height":20000}' && refused E_REQUEST /height
	page '{"code":"x","wait_ms":60001}' && refused E_REQUEST /wait_ms
	page '{"code":"x","operands":["y"]}' && refused E_REQUEST /operands
	page '{"code":"x","nonsense":1}' && refused E_REQUEST /nonsense
	page '{"code":"x","session":"'$ABSENT'"}' && refused E_NOT_FOUND
	capture sbx render -p page
	refused_words 2 'one page is needed'
	printf 'a\0b' >nul.html
	capture sbx render -p page nul.html
	refused_words 64 'NUL'
	capture sbx render -p page --page x nul.html
	[ "$status" -eq 2 ]
	request render '{"code":"x","profile":"default"}' && refused E_POLICY
}
