#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Libraries by allow-list: what a profile does not name is not there, for any program, by any way.
load ../helpers

setup() {
	common_setup
	needs mount
	# the host of the tests has both
	/usr/bin/python3 -c 'import pandas, matplotlib' 2>/dev/null || lacking "pandas and matplotlib of the host"
	profile some '{"extends": "default", "libraries": {"python": ["pandas"]}}'
	profile none '{"extends": "default", "libraries": {"python": [], "javascript": []}}'
}
with() { jq -cn --arg p "$1" '{profile: $p}'; }

@test "a library that is allowed is imported, with what it needs and its metadata" { # S0-09
	python 'import pandas, numpy, importlib.metadata as m
print(pandas.Series([1, 2, 3]).sum(), m.version("pandas") == pandas.__version__)' "$(with some)"
	ok
	has '.status == "success" and .stdout == "6 True\n" and (has("hint") | not)'
}

@test "a library that is not allowed is not found, and the hint says why" { # S0-09
	python 'import matplotlib' "$(with default)"
	ok
	has '.status == "success"'
	python 'import matplotlib' "$(with some)"
	ok
	has '.status == "error" and (.stderr | endswith("ModuleNotFoundError: No module named '"'matplotlib'"'\n"))'
	has '.hint == "'"'matplotlib' is installed, and the profile 'some' does not allow it: 'sbx libs some' lists the libraries that it allows"'"'
}

@test "a library that is not there at all is told apart" {
	local profile
	for profile in default some; do
		python 'import never_written.by_anybody' "$(with $profile)"
		ok
		has '.status == "error" and (.hint | startswith("'"'never_written' is not there: 'sbx libs $profile' lists"'"))'
	done
	python 'import matplotlib' "$(with none)"
	has '.hint | test("is installed, and the profile")'
	# a program that copes needs no hint; what it prints is no command to look anywhere
	python 'import sys
try: import matplotlib
except ImportError as e: print("ModuleNotFoundError:", e, file=sys.stderr)' "$(with some)"
	has '.status == "success" and (has("hint") | not)'
	for name in ../../etc/passwd /etc/passwd '%s%n' "$(head -c 5000 /dev/zero | tr '\0' a)"; do
		python "import sys
sys.exit('ModuleNotFoundError: No module named \'$name\'.')" "$(with some)"
		ok
		has '.status == "error" and (has("hint") | not)'
	done
}

@test "the shell form prints the hint for a person" {
	capture sbx exec -p some -l python -c 'import matplotlib'
	equals "$status" 1
	grep -q "^sbx: 'matplotlib' is installed, and the profile 'some' does not allow it" <<<"$errors"
}

@test "what is not allowed is not reached by a path, by another program or by its metadata" {
	local home
	home=$(cd / && /usr/bin/python3 -c 'import matplotlib; print(matplotlib.__path__[0])')
	run_code bash "ls -d $home && cat $home/__init__.py >/dev/null" "$(with default)"
	has '.status == "success"'
	run_code bash "ls -d $home; cat $home/__init__.py; find ${home%/*} /usr/local/lib -name 'matplotlib*'; :" "$(with some)"
	has '.stdout == "" and (.stderr | split("\n") | length == 3)'
	python "import sys, importlib.util as u, importlib.metadata as m
sys.path[:0] = ['$home', '$home/..', '${home%/*}']
print(u.find_spec('matplotlib'), u.spec_from_file_location('m', '$home/__init__.py').loader.path)
try: m.version('matplotlib')
except m.PackageNotFoundError: print('no metadata')
u.spec_from_file_location('m', '$home/__init__.py').loader.get_data('$home/__init__.py')" "$(with some)"
	has '.status == "error" and (.stdout | startswith("None ") and endswith("no metadata\n")) and (.stderr | contains("FileNotFoundError"))'
}

@test "the covers cannot be written to, taken away or looked behind" {
	local place
	place=$(/usr/bin/python3 -c 'import pandas; print(pandas.__path__[0].rsplit("/", 1)[0])')
	run_code bash "touch $place/x; mkdir $place/y; ln -s /etc $place/z; rm -r $place/pandas; mv $place /tmp/a
		umount $place; mount --bind /mnt/data $place; unshare -rm umount -l $place; unshare -rm true
		ls -A $place | grep -xE 'x|y|z'" "$(with some)"
	has '.status == "error" and .stdout == ""'
	run_code bash "touch $place/six/x $place/pandas/x; chmod 777 $place; ls -A $place | wc -l" "$(with none)"
	has '.stdout == "0\n"'
}

@test "an empty list leaves the language's own library, for each program of the run" {
	python 'import json, sqlite3, xml.dom.minidom, ctypes, encodings; print(json.dumps([1]))' "$(with none)"
	has '.status == "success" and .stdout == "[1]\n"'
	run_code bash '/usr/bin/python3 -c "import numpy"; /usr/bin/python3 -I -S -c "import sys; sys.path.append(\"/usr/lib/python3/dist-packages\"); import numpy"' "$(with none)"
	has '.status == "error" and ([.stderr | scan("No module named .numpy.")] | length == 2)'
	run_code javascript 'console.log(require("path").join("a", "b"), require("crypto").createHash("md5").update("").digest("hex"))' "$(with none)"
	has '.status == "success" and .stdout == "a/b d41d8cd98f00b204e9800998ecf8427e\n"'
}

@test "Node finds no library that is not named" {
	run_code javascript 'require("no-such-library/lib/x")' "$(with none)"
	ok
	has '.status == "error" and (.hint | startswith("'"'no-such-library' is not there"'"))'
	run_code javascript 'require("@scope/no-such/lib/x")' "$(with none)"
	has '.hint | startswith("'"'@scope/no-such' is not there"'")'
	run_code javascript 'require("./mine")' "$(with none)"
	has '.status == "error" and (has("hint") | not)'
	run_code bash 'for d in /usr/lib/node_modules /usr/local/lib/node_modules /usr/share/nodejs; do [ ! -d $d ] || ls $d; done |
		grep -vxE "acorn(-walk)?|cjs-module-lexer|undici"' "$(with none)"
	has '.stdout == ""'
}

@test "a profile that extends another replaces a list or takes it away" {
	profile more '{"extends": "none", "libraries": {"python": null}}'
	python 'import matplotlib' "$(with more)"
	has '.status == "success"'
	profile other '{"extends": "none", "libraries": {"python": ["six"]}}'
	python 'import six; import numpy' "$(with other)"
	has '.status == "error" and (.stderr | endswith("No module named '"'numpy'"'\n"))'
}

@test "libs and prompt tell what is allowed, and nothing else" { # S2-19, S0-68
	capture sbx libs some --lang python --json
	ok
	has '[.libraries.python[].name] | contains(["numpy", "pandas"]) and all(. != "matplotlib" and . != "sympy" and . != "scipy")'
	capture sbx prompt some --json
	ok
	has '(.tool | contains("pandas")) and (.tool | contains("matplotlib") | not)'
}

@test "a list that cannot be enforced is refused with its pointer" {
	local rows='
{"ruby": ["x"]}	/libraries/ruby
{"python": "numpy"}	/libraries/python
{"python": [1]}	/libraries/python/0
{"python": ["a", "../x"]}	/libraries/python/1
{"python": ["/etc"]}	/libraries/python/0
{"python": [".hidden"]}	/libraries/python/0
{"python": ["a b"]}	/libraries/python/0
{"python": [""]}	/libraries/python/0
["python"]	/libraries'
	local list pointer
	while IFS=$'\t' read -r list pointer; do
		[ -n "$list" ] || continue
		profile wrong "{\"extends\": \"default\", \"libraries\": $list}"
		capture sbx profile check wrong --json
		refused E_CONFIG
		has '.error.message | contains($p)' --arg p "$pointer:"
	done <<<"$rows"
}
