#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Layers: libraries that an operator adds to a profile from files; what a hostile package tries; and
# pip and npm, which find what is there and say at once that nothing else can come.
# bats file_tags=slow
load ../helpers

setup_file() {
	mkdir "$BATS_FILE_TMPDIR/packages"
	python3 -W ignore "$SOURCE/tests/fixtures/packages.py" "$BATS_FILE_TMPDIR/packages"
}
setup() {
	common_setup
	needs mount
	needs python3
	PACKAGES=$BATS_FILE_TMPDIR/packages
	export SBX_LAYERS=$TMP/layers
	profile own '{"extends": "default"}'
	profile more '{"extends": "own"}'
}
with() { jq -cn --arg p "$1" '{profile: $p}'; }
add() { capture sbx libs add own "$@" --json; }
WHEEL=sbx_good-1.0-py3-none-any.whl
DIGITS='^[0-9a-f]{64}$'

@test "a wheel becomes a layer: locked, listed, imported, and only in its profile" {
	add --wheel "$PACKAGES/$WHEEL"
	ok
	has '.layer | .layer == "wheel-sbx_good" and .version == "1.0" and .files == 7 and .sha256 == $h' \
		--arg h "$(sha256sum <"$PACKAGES/$WHEEL" | cut -d' ' -f1)"
	python 'import sbx_good, sbx_pure, importlib.metadata as m; print(sbx_good.word, sbx_pure.word, m.version("sbx_good"))' "$(with own)"
	ok
	has '.stdout == "from a wheel pure 1.0\n"'
	run_code bash 'good-tool; python3 -c "import sbx_good; print(sbx_good.word)"' "$(with own)"
	has '.stdout == "a tool of a wheel\nfrom a wheel\n"'
	for profile in default more; do
		python 'import sbx_good' "$(with $profile)"
		has '.status == "error" and (.hint | startswith("'"'sbx_good' is not there"'"))'
	done
	request libs '{"profile": "own", "lang": "python"}'
	ok
	has '.libraries.python[] | select(.name == "sbx_good") | .version == "1.0" and .layer == "wheel-sbx_good" and .import == "sbx_good"'
	has '[.libraries.python[] | select(.name != "sbx_good") | has("layer")] | any | not'
	has '.layers | length == 1 and (.[0] | .kind == "wheel" and .name == "sbx_good" and (.sha256 | test($d)))' --arg d "$DIGITS"
	request libs '{"profile": "default", "lang": "python"}'
	has '.layers == []'
}

@test "packages of npm are found by require and by import, with and without a scope" {
	command -v /usr/bin/node >/dev/null || lacking node
	add --npm "$PACKAGES/good.tgz"
	ok
	add --npm "$PACKAGES/scoped.tgz"
	ok
	has '.layer.layer == "npm-@sbx+scoped" and .layer.name == "@sbx/scoped"'
	run_code javascript 'console.log(require("sbx-good").word, "and", require("@sbx/scoped").word)' "$(with own)"
	ok
	has '.stdout == "from npm and from npm, scoped\n"'
	run_code javascript 'import { word } from "sbx-good/esm.mjs"; console.log(word)' "$(with own)"
	has '.stdout == "from a module\n"'
	run_code bash "cd /tmp && echo 'console.log(require(\"sbx-good\").word)' >x.js && node x.js" "$(with own)"
	has '.stdout == "from npm\n"'
	request libs '{"profile": "own", "lang": "javascript"}'
	has '[.libraries.javascript[] | select(.layer) | "\(.import) \(.version) \(.layer)"] == ["@sbx/scoped 1.0.0 npm-@sbx+scoped", "sbx-good 1.0.0 npm-sbx-good"]'
}

@test "a package of Debian: its library, its programs, no right of its modes, no link, nothing beside /usr" {
	add --deb "$PACKAGES/good.deb"
	ok
	has '.layer | .layer == "deb-python3-sbx-deb" and .version == "2.0-1" and .files == 3'
	python 'import sbx_deb; print(sbx_deb.word)' "$(with own)"
	has '.stdout == "from a deb\n"'
	run_code bash 'sbx-deb-tool && sbx-deb-link; stat -c "%A %F" /run/sbx/libs/*/usr/bin/*; find /run/sbx/libs -name "*.conf" -o -type l' "$(with own)"
	has '.stdout == "a tool of a deb\na tool of a deb\n-r-xr-xr-x regular file\n-r-xr-xr-x regular file\n"'
	add --deb "$PACKAGES/gz.deb"
	ok
	run_code bash 'perl -MSbxDeb -e "print SbxDeb::word()"' "$(with own)"
	has '.stdout == "perl of a deb"'
}

@test "a run cannot write, replace or uncover a layer" {
	add --wheel "$PACKAGES/$WHEEL"
	ok
	local before
	before=$(cd "$SBX_LAYERS" && find . -type f -exec sha256sum {} + | sort | sha256sum)
	run_code bash 'cd /run/sbx/libs/wheel-sbx_good || exit 9
		chmod -R u+w . ; echo x >>sbx_good/part.py; echo x >new.py; rm -rf sbx_good; mv sbx_good other; ln -s /etc/passwd l; mkdir d
		umount . ; mount -o remount,rw . ; setfattr -n user.x -v y sbx_good/part.py; touch -d 2001-01-01 sbx_good; true' "$(with own)"
	ok
	has '.exit_code == 0 and .stdout == ""'
	equals "$(cd "$SBX_LAYERS" && find . -type f -exec sha256sum {} + | sort | sha256sum)" "$before"
	python 'import sbx_good; print(sbx_good.word)' "$(with own)"
	has '.stdout == "from a wheel\n"'
	capture sbx libs check own --json
	ok
}

@test "what was changed in a layer is found at the next run, and by check" {
	add --wheel "$PACKAGES/$WHEEL"
	local tree=$SBX_LAYERS/own/wheel-sbx_good/tree change
	cp -a "$SBX_LAYERS" "$TMP/kept"
	for change in 'chmod u+w sbx_good/part.py && sed -i s/wheel/whorl/ sbx_good/part.py && touch -d 2026-01-01 sbx_good/part.py' \
		'echo "x = 1" >sbx_good/new.py' 'rm sbx_pure.py' 'chmod g+w sbx_good' 'ln -s /etc/passwd sbx_good/l' \
		'mkfifo sbx_good/f' 'rm sbx_pure.py && cp sbx_good/__init__.py sbx_pure.py'; do
		(cd "$tree" && eval "$change")
		python 'print(1)' "$(with own)"
		refused E_CORRUPT
		has '.error.message | startswith("layer '"'wheel-sbx_good' of profile 'own'"' is not as it was added")'
		capture sbx libs check own --json
		refused E_CORRUPT
		capture sbx libs check --json
		refused E_CORRUPT
		python 'print(1)' "$(with default)"	# others are not concerned
		ok
		rm -rf "$SBX_LAYERS" && cp -a "$TMP/kept" "$SBX_LAYERS"
		# the bytes are right, the times are of a copy: check tells, and makes it good
		python 'print(1)' "$(with own)"
		refused E_CORRUPT
		capture sbx libs check own --json
		ok
		has '.layers | length == 1'
		python 'import sbx_good; print(sbx_good.word)' "$(with own)"
		has '.stdout == "from a wheel\n"'
	done
	local lock=$SBX_LAYERS/own/wheel-sbx_good/lock.json
	for change in 's/"tree": "./"tree": "x/' 's/"kind": "wheel"/"kind": "other"/' 's|"profile": "own"|"profile": "../own"|' 's/{/{"more":1,/' 's/^.*$//'; do
		cp "$lock" "$TMP/lock" && sed -i "$change" "$lock"
		capture sbx libs check own --json
		refused E_CORRUPT
		cp "$TMP/lock" "$lock"
	done
	: >"$lock"
	python 'print(1)' "$(with own)"
	refused E_CORRUPT
	capture sbx libs rm own wheel-sbx_good --json
	ok
	python 'print(1)' "$(with own)"
	ok
}

@test "a layer is removed by its name or the library's, and made anew" {
	add --wheel "$PACKAGES/$WHEEL"
	add --wheel "$PACKAGES/sbx_good-2.0-py3-none-any.whl"
	refused E_REQUEST
	has '.error.hint == "'"'sbx libs rm own wheel-sbx_good' takes it away"'"'
	capture sbx libs rm own sbx_good --json
	ok
	has '.removed == "wheel-sbx_good"'
	add --wheel "$PACKAGES/sbx_good-2.0-py3-none-any.whl"
	ok
	python 'import sbx_good; print(sbx_good.__version__)' "$(with own)"
	has '.stdout == "2.0\n"'
	request libs '{"action": "rm", "profile": "own", "name": "wheel-sbx_good"}'
	ok
	for name in wheel-sbx_good never ../own . .. ''; do
		capture sbx libs rm own "$name" --json
		[ "$status" -ne 0 ]
		has '.error.code | IN("E_NOT_FOUND", "E_REQUEST")'
	done
	[ -d "$SBX_LAYERS/own" ]
	equals "$(ls -A "$SBX_LAYERS/own")" ""
}

@test "a hostile or broken package is refused as a whole, and nothing is left" {
	local rows='
wheel up-1.0-py3-none-any.whl	leads out of the package
wheel up2-1.0-py3-none-any.whl	leads out of the package
wheel absolute-1.0-py3-none-any.whl	absolute name
wheel backslash-1.0-py3-none-any.whl	backslash
wheel link-1.0-py3-none-any.whl	not a regular file
wheel device-1.0-py3-none-any.whl	not a regular file
wheel unlisted-1.0-py3-none-any.whl	RECORD
wheel norecord-1.0-py3-none-any.whl	RECORD
wheel other-1.0-py3-none-any.whl	METADATA
wheel tag-1.0-cp27-cp27m-any.whl	it is for cp27-cp27m
wheel machine-1.0-py3-none-manylinux_2_17_riscv128.whl	it is for manylinux
wheel twice-1.0-py3-none-any.whl	a name twice|RECORD
wheel fileanddir-1.0-py3-none-any.whl	a file and a directory
wheel control-1.0-py3-none-any.whl	control character
wheel deep-1.0-py3-none-any.whl	too deep|no regular file
wheel badmeta-1.0-py3-none-any.whl	no plain name
wheel empty-1.0-py3-none-any.whl	no whole wheel
wheel garbage-1.0-py3-none-any.whl	no whole wheel
wheel noname.whl	not called
wheel good.tgz	not called
npm up.tgz	leads out
npm absolute.tgz	absolute name
npm symlink.tgz	a link that leads out
npm symlink-absolute.tgz	a link that leads out
npm symlink-dir.tgz	.
npm through-link.tgz	a link that leads out
npm circle.tgz	links in a circle
npm hardlink.tgz	leads out
npm fifo.tgz	not a regular file
npm chr.tgz	not a regular file
npm blk.tgz	not a regular file
npm twice.tgz	a name twice
npm name-up.tgz	no plain name
npm name-scope.tgz	no plain name
npm name-hidden.tgz	no plain name
npm name-long.tgz	no plain name
npm version.tgz	no plain name
npm nojson.tgz	package.json
npm trunc.tgz	no whole npm|does not fit
npm good.deb	no whole npm|does not fit
npm many.tgz	more than 50000 files|does not fit
deb up.deb	leads out
deb fifo.deb	not a regular file
deb outside.deb	nothing in it
deb arch.deb	it is for riscv128
deb name.deb	no plain name
deb garbage.deb	no Debian package
deb good.tgz	no Debian package'
	local kind file pattern
	while IFS=$' \t' read -r kind file pattern; do
		[ -n "$kind" ] || continue
		add "--$kind" "$PACKAGES/$file"
		[ "$file" != symlink-dir.tgz ] || [ "$status" -ne 0 ] || {	# the link is left out: no harm either
			has '.layer.files == 2' || return 1
			sbx libs rm own x
			continue
		}
		refused E_REQUEST || { echo "of $file"; return 1; }
		has '.error.message | test($p)' --arg p "$pattern" || { echo "of $file"; return 1; }
		equals "$(ls -A "$SBX_LAYERS/own")" "" || return 1
	done <<<"$rows"
	[ ! -e /tmp/absolute.py ] && [ ! -e /tmp/absolute.js ]
	equals "$(find "$TMP" -name '*up*.py' -o -name 'up*.js' -o -name backslash.py)" ""
	python 'print(1)' "$(with own)"
	ok
}

@test "a bomb ends at the limits, and nothing is left" {
	capture timeout 300 "$BUILD/sbx" libs add own --npm "$PACKAGES/bomb.tgz" --json
	refused E_REQUEST
	has '.error.message | test("does not fit|within its limits")'
	equals "$(ls -A "$SBX_LAYERS/own")" ""
}

@test "what is no file, no profile or no clear wish is refused" {
	add --wheel "$TMP/none.whl"
	refused E_NOT_FOUND
	mkfifo "$TMP/fifo.whl"
	for file in "$TMP" "$TMP/fifo.whl" /dev/null; do
		add --wheel "$file"
		refused E_REQUEST
	done
	add
	refused E_USAGE
	add --wheel "$PACKAGES/$WHEEL" --npm "$PACKAGES/good.tgz"
	refused E_USAGE
	capture sbx libs add never --wheel "$PACKAGES/$WHEEL" --json
	refused E_NOT_FOUND
	capture sbx libs add ../own --wheel "$PACKAGES/$WHEEL" --json
	refused E_NOT_FOUND
	capture sbx libs own --wheel "$PACKAGES/$WHEEL" --json
	refused E_USAGE
	capture sbx libs rm own --json
	refused E_USAGE
	capture sbx libs own default --json
	refused E_USAGE
	request libs "$(jq -cn --arg f "$PACKAGES/$WHEEL" '{profile: "own", wheel: $f}')"
	refused E_REQUEST
	request libs '{"action": "make"}'
	refused E_REQUEST
	[ ! -e "$SBX_LAYERS/never" ]
}

@test "a place of layers that is closed to the caller has none; what a crash left goes" {
	mkdir "$TMP/closed" && chmod 0 "$TMP/closed"
	SBX_LAYERS=$TMP/closed/layers python 'print(1)' "$(with own)"
	ok
	mkdir -p "$SBX_LAYERS/own/.new-$ABSENT/tree" "$SBX_LAYERS/own/.new-old"
	python 'print(1)' "$(with own)"
	ok
	add --wheel "$PACKAGES/$WHEEL"
	ok
	capture sbx libs check --json
	ok
	has '.layers | length == 1'
	chmod 700 "$TMP/closed"
}

@test "pip finds what is there, with versions, and says at once what cannot come" { # S2-26
	add --wheel "$PACKAGES/$WHEEL"
	ok
	for pip in pip pip3 'python3 -m pip'; do
		run_code bash "$pip install sbx_good 'sbx-good>=0.5,<2' 'sbx-good==1.*'" "$(with own)"
		ok
		has '.status == "success" and ([.stdout | scan("Requirement already satisfied")] | length == 3)'
		run_code bash "$pip install -q sbx-good 'sbx-good>=2'" "$(with own)"
		has '.status == "error" and (.stderr | contains("No matching distribution found for sbx-good>=2")) and .usage.wall_ms < 10000'
		run_code bash "$pip install never-written" "$(with own)"
		has '.status == "error" and (.stderr | contains("nothing can be downloaded here")) and .usage.wall_ms < 10000'
		has '.hint | startswith("'"'never-written' is not there"'")'
	done
	python 'import subprocess, sys
subprocess.check_call([sys.executable, "-m", "pip", "install", "sbx_good"])
import sbx_good
print(sbx_good.word)' "$(with own)"
	has '.status == "success" and (.stdout | endswith("from a wheel\n"))'
	run_code bash 'printf "sbx_good==1.0 # why\n\n# nothing\n" >r.txt; pip install -r r.txt && pip list | grep -q "^sbx_good  *1.0$" &&
		pip freeze | grep -qx sbx_good==1.0 && ! pip install -r none.txt && ! pip download x' "$(with own)"
	has '.status == "success"'
	capture sbx exec -p own -- pip install never-written
	equals "$status" 1
}

@test "npm finds what is there and says at once what cannot come" { # S2-26
	command -v /usr/bin/node >/dev/null || lacking node
	add --npm "$PACKAGES/good.tgz"
	run_code bash 'npm install sbx-good && npm i sbx-good@1.0.0 --save' "$(with own)"
	ok
	has '.status == "success"'
	for words in 'install never-written' 'i sbx-good never-written' 'add sbx-good@1.0.1' 'install ../../etc/passwd'; do
		run_code bash "npm $words" "$(with own)"
		has '.status == "error" and (.stderr | contains("nothing can be downloaded here")) and .usage.wall_ms < 10000'
	done
	run_code bash 'npm install never-written' "$(with own)"
	has '.hint | startswith("'"'never-written' is not there"'")'
	run_code bash "echo '{\"dependencies\": {\"sbx-good\": \"*\"}}' >package.json; npm install && ! npm view x" "$(with own)"
	has '.status == "success"'
}
