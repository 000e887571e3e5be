#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What the pages, the completions and README say is what the programs do. Needs bats, jq, mandoc.
SOURCE=${SOURCE:-$(realpath "${BASH_SOURCE[0]%/*}/../..")}
BUILD=${BUILD:-$SOURCE/build}
export SOURCE BUILD
load ../helpers

MAN=$SOURCE/man

verbs() { sbx help | sed -n 's/^  \([a-z]\{1,\}\)  *[^ ].*/\1/p'; }

# complain TEXT: collects what does not agree; agreed says it.
complain() { COMPLAINTS+="$1"$'\n'; }
agreed() {
	[ -z "${COMPLAINTS:-}" ] && return
	printf '%s' "$COMPLAINTS"
	return 1
}
# same WHAT A B: two lists of words are equal as sets.
same() {
	local only
	only=$(comm -23 <(sort -u <<<"$2") <(sort -u <<<"$3") | tr '\n' ' ')
	[ -z "${only// /}" ] || complain "$1: only in the first: $only"
	only=$(comm -13 <(sort -u <<<"$2") <(sort -u <<<"$3") | tr '\n' ' ')
	[ -z "${only// /}" ] || complain "$1: only in the second: $only"
}

# --- reading pages --------------------------------------------------------------------------------
# section PAGE NAME: its lines
section() { awk -v name="$2" '/^\.Sh /{ on = substr($0, 5) == name; next } on' "$MAN/$1"; }
# Members of a page or of what is piped in: "PATH TYPE" a line.
items() { sed -n 's/^\.It Cm \([^ ]*\) Pq Vt \([a-z]*\).*/\1 \2/p'; }
# Options of a page: as --help has them, "-u --user=" and so on.
page_options() {
	section "sbx-$1.1" DESCRIPTION | sed -n '/^\.It \(Fl [a-zA-Z] , \)\{0,1\}Fl -/p' |
		sed -E 's/^\.It (Fl ([a-zA-Z]) , )?Fl -([a-z-]+)( Ar .*)?$/\2 \3 \4/; s/ Ar .*/ =/' |
		awk '{ value = $NF == "=" ? "=" : ""; if (value) NF--; if (NF == 2) print "-" $1 value; print "--" $NF value }'
}
help_options() {
	sbx "$1" --help | sed -nE 's/^  (-[a-zA-Z],|   ) --([a-z-]+)( [^ ]+)?  *[^ ].*/\1 \2\3/; t show; d; :show; s/(--)?([a-z-]+) [^ ]+$/\2 =/; p' |
		awk '{ value = $NF == "=" ? "=" : ""; if (value) NF--; if (NF == 2) print substr($1, 1, 2) value; print "--" $NF value }'
}
# Commands of the examples of a page, as a shell reads them.
examples() {
	section "$1" EXAMPLES | sed -n '/^\.Bd/,/^\.Ed/p' | sed -n 's/^\$ //p; s/^> //p' |
		sed 's/\\(aq/'"'"'/g; s/\\(ga/`/g; s/\\(ha/^/g; s/\\(ti/~/g; s/\\-/-/g; s/\\&//g; s/\\e/\\/g'
}
# Members that a decoder's table has: FILE, then the struct's name.
table() { sed -nE "s/^.*JSON_FIELD\($2, *([a-z0-9_]+),.*/\1/p" "$SOURCE/$1"; }

# --- pages and completions ------------------------------------------------------------------------
@test "every command has a page, and every page a command" {
	local verb page
	for verb in $(verbs); do
		[ -f "$MAN/sbx-$verb.1" ] || complain "no page: sbx-$verb.1"
		grep -q "^\.Xr sbx-$verb 1" "$MAN/sbx.1" || complain "sbx.1 does not name sbx-$verb"
	done
	for page in "$MAN"/sbx-*.1; do
		verb=${page##*/sbx-}
		grep -qE "const struct verb verb_${verb%.1} *=" "$SOURCE"/cli/*.c || complain "no command: ${verb%.1}"
	done
	agreed
}

@test "every option of --help is in its page, and the reverse" {
	local verb
	for verb in $(verbs); do
		[ -n "$(help_options "$verb")" ] || complain "$verb: no option was read"
		[ ! -f "$MAN/sbx-$verb.1" ] || same "$verb, help and page" "$(help_options "$verb")" "$(page_options "$verb")"
	done
	agreed
}

@test "every command and option is in the completion of bash, and the reverse" {
	local verb row common
	. "$SOURCE/completions/sbx.bash"
	common=$(tr ' ' '\n' <<<"$_sbx_common")
	for verb in $(verbs); do
		row=$(grep "^$verb:" <<<"$_sbx_table") || { complain "no row: $verb"; continue; }
		same "$verb, help and completion" "$(help_options "$verb")" "$(tr ' ' '\n' <<<"${row##*:}" | grep . || :; echo "$common")"
	done
	agreed
}

@test "the completion of bash offers commands, options and values" {
	. "$SOURCE/completions/sbx.bash"
	COMP_WORDS=(sbx up) COMP_CWORD=1
	_sbx sbx up sbx
	equals "${COMPREPLY[*]}" upload
	COMP_WORDS=(sbx exec --comm) COMP_CWORD=2
	_sbx sbx --comm exec
	equals "${COMPREPLY[*]}" --commit
	COMP_WORDS=(sbx exec --commit '') COMP_CWORD=3
	_sbx sbx '' --commit
	equals "${COMPREPLY[*]}" 'success always never'
}

@test "every command and option is in the completion of zsh" {
	local verb block option
	for verb in $(verbs); do
		grep -q "'$verb:" "$SOURCE/completions/_sbx" || complain "no command: $verb"
		block=$(awk -v verb="$verb)" '$1 == verb { on = 1 } on; on && /;;/ { exit }' "$SOURCE/completions/_sbx")
		for option in $(help_options "$verb" | grep -vE '^(-h|--help|--json|--request=|--die-with-parent)$'); do
			grep -qE -- "[{,'*]${option%=}[+=]*[]['},]" <<<"$block" || complain "$verb: no $option"
		done
	done
	agreed
}

@test "the pages are clean mdoc, and what they refer to is there" {
	local page name number
	mandoc -T lint -W warning "$MAN"/* || complain "mandoc finds fault"
	while read -r page name number; do
		[ -f "$MAN/$name.$number" ] || complain "$page: no page $name($number)"
	done < <(grep -H '^\.Xr sbx' "$MAN"/* | sed -E 's|.*/([^/]*):\.Xr ([^ ]*) ([0-9]).*|\1 \2 \3|')
	agreed
}

# --- errors ---------------------------------------------------------------------------------------
codes() { sed -nE 's/.*\{ "(E_[A-Z_]+)", ([0-9]+), "([^"]*)" \}.*/\1 \2 \3/p' "$SOURCE/common/err.c"; }

@test "every error code stands in sbx(1) with its status and meaning, and in README" {
	[ -n "$(codes)" ]
	same "err.c and sbx.1" "$(codes)" \
		"$(section sbx.1 'EXIT STATUS' | sed -nE 's/^\.It Er (E_[A-Z_]+) Ta ([0-9]+) Ta (.*)/\1 \2 \3/p')"
	same "err.c and README" "$(codes | cut -d' ' -f1)" "$(sed -nE 's/^\| `(E_[A-Z_]+)` \|.*/\1/p' "$SOURCE/README.md")"
	agreed
}

# --- settings and profiles ------------------------------------------------------------------------
@test "every setting is in sbx-config(5) with its default, and every variable" {
	local name value
	local page=$MAN/sbx-config.5 members defaults
	members=$(sbx config --json | jq -r '.settings | keys[]')
	same "settings and page" "$members" "$(section sbx-config.5 MEMBERS | items | cut -d' ' -f1)"
	defaults=$(SBX_CONFIG='' env -u SBX_STORAGE -u SBX_STATE -u SBX_LIBEXEC -u SBX_PROFILES "$BUILD/sbx" config --json |
		jq -r '.settings | to_entries[] | select(.value.origin == "built in" and (.key | IN("storage", "state", "images", "layers", "libexec", "profiles") | not))
			| "\(.key) \(.value.value | if type == "string" then . else tojson end)"')
	same "defaults and page" "$defaults" "$(sed -nE 's/^\.It Cm ([a-z_]+) Pq Vt [a-z]+ , No default Cm (.*)/\1 \2/p' "$page")"
	for name in $(sed -nE 's/^\t\{ "([A-Z_]+)", "[a-z_]+", [0-9]+ \},.*/\1/p' "$SOURCE/cli/config.c") SBX_CONFIG; do
		grep -q "^\.It Ev $name$" "$page" || complain "no variable: $name"
	done
	agreed
}

@test "every member of a profile is in sbx-profile(5)" {
	local limits file=$SOURCE/cli/profile.c
	same "members and page" "$(sed -n '/profile_fields\[\]/,/^};/p' "$file" |
		grep -oE '(JSON_FIELD\(profile, |[SL]\(|name = ")[a-z_]+' | sed -E 's/.*[( "]//'; echo extends)" \
		"$(section sbx-profile.5 MEMBERS | items | cut -d' ' -f1)"
	limits=$(sed -n '/limit_fields\[\]/,/^};/p' "$file" | grep -oE '\bN\([a-z_]+' | cut -c3-)
	same "limits and page" "$limits" "$(section sbx-profile.5 LIMITS | items | cut -d' ' -f1)"
	same "limits and sbx-exec.1" "$limits" "$(section sbx-exec.1 'JSON REQUEST' | items | sed -n 's|^limits/\([^ ]*\) .*|\1|p')"
	same "languages and page" "$(sed -n '/language_fields\[\]/,/^};/p' "$file" | sed -nE 's/.*JSON_FIELD\(language, ([a-z]+),.*/\1/p')" \
		"$(section sbx-profile.5 LANGUAGES | items | cut -d' ' -f1)"
	agreed
}

@test "the ceilings in sbx-profile(5) are those of the profile default" {
	same "profile and page" "$(jq -r '.limits | to_entries[] | "\(.key) \(.value)"' "$SOURCE/profiles/default.json")" \
		"$(section sbx-profile.5 LIMITS | awk '/^\.It Cm/{ name = $3 } /^\.Bq/{ print name, $2 }')"
	agreed
}

@test "every shipped profile is in sbx-profile(5)" {
	same "profiles and page" "$(cd "$SOURCE/profiles" && printf '%s\n' *.json | sed 's/\.json$//')" \
		"$(section sbx-profile.5 'SHIPPED PROFILES' | sed -n 's/^\.It Cm //p')"
	agreed
}

@test "the examples of sbx-config(5) and sbx-profile(5) are accepted" {
	literal() { section "$1" EXAMPLES | sed -n '/^\.Bd/,/^\.Ed/{/^\./d;s/\\-/-/g;p}'; }
	config "$(literal sbx-config.5)"
	capture sbx config --json
	ok
	has '.settings.rate_per_minute.value == 60'
	rm "$XDG_CONFIG_HOME/sbx/config.json"
	profile short "$(literal sbx-profile.5)"
	capture sbx profile check short --json
	ok
	capture sbx profile show short --json
	has '.profile.limits.wall_ms == 10000 and (.profile.languages | keys) == ["python"]'
}

@test "every member of the specification is in sbx-jail(8)" {
	same "spec.c and page" "$(sed -n '/spec_fields\[\]/,/^};/p' "$SOURCE/common/spec.c" |
		grep -oE '\b([SNBL]\(|name = ")[a-z_]+' | sed -E 's/.*[( "]//')" \
		"$(section sbx-jail.8 SPECIFICATION | items | cut -d' ' -f1 | grep -v /)"
	same "stages and page" "$(sed -nE 's/^\t\{ "([a-z]+)", [a-z]+_enter \}.*/\1/p' "$SOURCE/helper/enter.c")" \
		"$(section sbx-jail.8 STAGES | sed -n 's/^\.It Cm //p')"
	agreed
}

@test "every group of probes is in sbx-security(7), and the number of system calls is right" {
	local count
	same "probes and page" "$("$BUILD/sbx-probe" --groups)" \
		"$(section sbx-security.7 THREATS | awk '/^\.Em Proof/{ on = 1 } /^\.Ss/{ on = 0 } on && /^\.Cm/{ print $2 }')"
	needs mount
	capture sbx exec --json -- /bin/true
	count=$(jq -r '.isolation.seccomp | split(":")[1]' "$TMP/.out")
	grep -q "allow-list: $count calls" "$MAN/sbx-security.7" || complain "base lets $count calls through"
	agreed
}

# --- requests and answers -------------------------------------------------------------------------
@test "every documented member of a request is known to its command" {
	local verb line
	for verb in $(verbs); do
		[ -f "$MAN/sbx-$verb.1" ] || continue
		# a value of the wrong type: a member that is known is refused for that
		section "sbx-$verb.1" 'JSON REQUEST' | items | jq -cRn 'inputs | split(" ")[0] | split("/")
			| def build(p): if p == [] then {x: {x: []}} elif p[0] == "*" then [build(p[1:])] else {(p[0]): build(p[1:])} end;
			build(.)' >"$TMP/requests"
		while read -r line; do
			printf '%s' "$line" | sbx "$verb" --request - || :
		done <"$TMP/requests" >"$TMP/answers"
		while read -r line; do
			complain "$verb does not know $line"
		done < <(jq -r 'select(.error.message == "unknown member") | .error.pointer' "$TMP/answers")
		[ "$(grep -c . "$TMP/answers")" -eq "$(grep -c . "$TMP/requests")" ] || complain "$verb: an answer is missing"
	done
	agreed
}

@test "every member of a table is in a page" {
	local file name documented
	documented=$(for file in "$MAN"/sbx-*.1; do section "${file##*/}" 'JSON REQUEST' | items; done | cut -d' ' -f1 | sed 's|.*/||' | sort -u)
	for file in "$SOURCE"/cli/cmd_*.c "$SOURCE"/cli/exec_request.c "$SOURCE"/cli/exec_inputs.c; do
		for name in $(grep -E '(JSON_FIELD\(|^\t[SLN]\(|, [SLN]\(|\{ \.name = "[a-z_]+", \.kind)' "$file" |
			grep -oE '(JSON_FIELD\([a-z_]+, *|\b[SLN]\(|\.name = ")[a-z0-9_]+' | sed -E 's/.*[( "]//' | sort -u); do
			case $name in
			operands | stdin_file | file | m) continue ;; # of command lines, and of a macro
			esac
			grep -qx "$name" <<<"$documented" || complain "${file##*/}: $name is in no page"
		done
	done
	agreed
}

# documented VERB: every path of the answer in $TMP/.out is in the page, with its type.
documented() {
	local wrong
	wrong=$(section "sbx-$1.1" 'JSON ANSWER' | items | jq -rRn --slurpfile answer "$TMP/.out" '
		[inputs | split(" ") | {path: (.[0] | split("/")), type: .[1]}] as $doc
		| def fits($pattern): . as $p | ($pattern | length) == ($p | length) and
			all(range($p | length); $pattern[.] == "*" or $pattern[.] == $p[.]);
		def kind: if type == "number" then (if floor == . then "integer" else "number" end) else type end;
		# a member that only leads to others needs no row, nor does one below a member whose own are not told apart
		def is_free: . as $p | first(range(($p | length) - 1; 0; -1) as $n
			| $p[:$n] as $head | $doc[] | select(.path as $d | $head | fits($d))
			| .path as $d | all($doc[]; (.path | length) <= ($d | length) or .path[:($d | length)] != $d)) // false;
		$answer[0] as $a | $a | paths as $path
		| ($path | map(if type == "number" then "*" else . end)) as $p
		| ($a | getpath($path)) as $v
		| [$doc[] | select(.path as $d | $p | fits($d)) | .type] as $types
		| if ($types | length) > 0 then
			if $types[0] == "any" or ($v | kind) == $types[0] or $v == null or ($types[0] == "number" and ($v | kind) == "integer") then empty
			else "\($p | join("/")) is \($v | kind), not \($types[0])" end
		elif any($doc[]; .path as $d | $p | length < ($d | length) and fits($d[:length])) or ($p | is_free) then empty
		else "\($p | join("/")) is not documented" end' | sort -u)
	[ -z "$wrong" ] || complain "$1: $wrong"
	jq -e .ok "$TMP/.out" >/dev/null || complain "$1: $(head -c 300 "$TMP/.out")"
}
has_verb() { verbs | grep -qx "$1"; }

@test "what the answers about files have is in their pages" {
	upload a.txt hello && upload b.txt there "$(in_session)"
	documented upload
	request ls "$(in_session)"
	documented ls
	request sessions '{}'
	documented sessions
	request stat "$(jq -cn --arg i "$id" '{id: $i}')"
	documented stat
	request get "$(jq -cn --arg i "$id" --arg o "$TMP/got" '{id: $i, out: $o}')"
	documented get
	request diff "$(in_session '{"from": 0}')"
	documented diff
	request fork "$(in_session)"
	documented fork
	request rm "$(in_session '{"files": ["a.txt"]}')"
	documented rm
	request undo "$(in_session)"
	documented undo
	request rm "$(in_session '{"whole_session": true}')"
	jq -e '.removed == true' "$TMP/.out" >/dev/null || complain "rm: removed is not true"
	request gc '{}'
	documented gc
	request fsck '{}'
	documented fsck
	agreed
}

@test "what the answers about runs have is in their pages" {
	needs mount
	upload a.txt hello && upload b.txt there "$(in_session)"
	request exec "$(in_session '{"lang": "bash", "code": "mount -t tmpfs x /mnt; rm a.txt; echo x >>b.txt; echo y >c.txt; mkfifo p; true",
		"encoding": "base64", "files": ["a.txt", "b.txt", "none"], "missing": "skip"}')"
	has '[.files, .skipped, .blocked] | all(length > 0)'
	documented exec
	request attack '{"quick": true}'
	documented attack
	request doctor '{}'
	documented doctor
	agreed
}

@test "what the answers about the host have is in their pages" {
	request config '{}'
	documented config
	for words in '["ls"]' '["show","default"]' '["check"]'; do
		request profile "{\"operands\": $words}"
		documented profile
	done
	for verb in ps stats dashboard history audit; do
		has_verb $verb || continue
		request $verb '{}'
		documented $verb
	done
	if has_verb tool; then
		request tool '{"profile": "mvp"}'
		documented tool
		request image '{}'
		documented image
	fi
	if has_verb libs && needs mount; then
		request libs '{"lang": "python"}'
		documented libs
		request prompt '{}'
		documented prompt
	fi
	if has_verb audit; then
		request audit '{"what": ["verify"]}'
		documented audit
	fi
	if has_verb top; then
		request top '{"interval_ms": 100}'
		documented top
		request kill '{"execs": []}'
		documented kill
	fi
	agreed
}

# --- examples -------------------------------------------------------------------------------------
# A directory with what the examples name, a session with one file, and one run.
prepare() {
	rm -rf "$SBX_STORAGE" "$SBX_STATE" "$TMP/here"
	mkdir "$TMP/here" && cd "$TMP/here" || return 1
	printf '3,c\n1,a\n' >data.csv
	echo note >notes.txt
	printf 'import sys\nprint(sum(map(int, sys.argv[1:])))\n' >sum.py
	echo '{"files":[{"name":"data.csv","fd":3}]}' >request.json
	printf '<!DOCTYPE html><title>t</title><h1>x</h1>\n' >page.html
	[ "$1" = upload ] || sbx upload data.csv >/dev/null
	case $1 in
	history | show | audit | stats) sbx exec -- /bin/true ;;
	esac
}

# A user with supplementary groups keeps them in a jail, and the attack says so: nothing else may fail.
only_groups_failed() {
	[ "$(other_groups)" -gt 0 ] && grep -q '^449 held, 1 failed' "$TMP/.out"
}

@test "the examples of the pages run" {
	local page verb script
	needs mount
	for page in sbx.1 $(cd "$MAN" && echo sbx-*.1); do
		verb=${page#sbx-} verb=${verb%.1}
		[ "$page" = sbx.1 ] || has_verb "$verb" || continue
		[ "$verb" != render ] || continue # needs an image
		script=$(examples "$page")
		[ -n "$script" ] || { complain "$page has no example"; continue; }
		[ "$page" = sbx.1 ] && verb=upload
		prepare "$verb"
		PATH=$BUILD:$PATH bash -eo pipefail -c "$script" >"$TMP/.out" 2>"$TMP/.err" </dev/null ||
			{ [ "$verb" = attack ] && only_groups_failed; } ||
			complain "$page: status $?: $(tail -n 3 "$TMP/.err") $(tail -c 300 "$TMP/.out")"
	done
	cd "$HOME"
	agreed
}

# blocks KIND: the blocks of README below "<!-- test: KIND -->"; a line of 0x1e between two.
blocks() {
	awk -v want="<!-- test: $1 -->" '$0 == want { next_one = 1; next } next_one && /^```/ { on = 1; next_one = 0; next }
		on && /^```/ { on = 0; printf "\036\n"; next } on' "$SOURCE/README.md"
}

@test "the shell examples of README run, and print what it says" {
	needs mount
	[ "$(blocks shell | grep -c sbx)" -ge 8 ]
	PATH=$BUILD:$PATH bash -eo pipefail -c "$(blocks shell | tr -d '\036')" >"$TMP/.out" 2>"$TMP/.err" </dev/null || {
		cat "$TMP/.out" "$TMP/.err"
		return 1
	}
	grep -qx 'whale,30000' "$TMP/.out" && grep -qx 6 "$TMP/.out" && tar -tf files.tar | grep -qx animals.csv
}

@test "the requests of README get the answers that stand below them" {
	local kind want i=0
	needs mount
	mapfile -t pairs < <(awk '/^<!-- test: (request|answer)/ { kind = $3 == "answer" ? "answer" : $4; next }
		kind && /^```json/ { on = 1; text = ""; next } on && /^```/ { print kind, text; on = 0; kind = "" } on { text = text $0 }' "$SOURCE/README.md")
	[ ${#pairs[@]} -ge 6 ]
	while [ $i -lt ${#pairs[@]} ]; do
		kind=${pairs[i]%% *}
		request "$kind" "${pairs[i]#* }"
		want=${pairs[i + 1]#answer }
		jq -e --argjson want "$want" 'def fits($w): . as $v
			| if ($w | type) == "object" then ($v | type) == "object" and all($w | keys[]; . as $k | $v[$k] | fits($w[$k]))
			  elif ($w | type) == "array" then ($v | type) == "array" and ($v | length) == ($w | length) and
				all(range($w | length); . as $k | $v[$k] | fits($w[$k]))
			  else $v == $w end;
			fits($want)' "$TMP/.out" >/dev/null || complain "$kind: $want but $(<"$TMP/.out")"
		i=$((i + 2))
	done
	agreed
}

@test "README's table of settings and its links are right" {
	local name
	for name in $(grep -oE '\]\([A-Za-z][A-Za-z0-9_./-]*\)' "$SOURCE"/*.md | sed -E 's/.*\]\((.*)\)/\1/' | sort -u); do
		[ -e "$SOURCE/$name" ] || complain "no such file: $name"
	done
	for name in session_ttl_ms storage_bytes slots_user slots_total wait_ms extensions upload_bytes pressure_percent; do
		sbx config --json | jq -e --arg n "$name" '.settings | has($n)' >/dev/null || complain "no such setting: $name"
	done
	agreed
}

@test "every target that HACKING.md names is one of the Makefile" {
	local target
	for target in $(sed -nE 's/^\| ((`[a-z-]+` ?)+) \| .*/\1/p' "$SOURCE/HACKING.md" | tr -d '`' | sed '/^make$/d'); do
		grep -qE "^(\.PHONY:.*[ \t]|[a-z -]*)?\b$target\b( [a-z-]+)*:|^\.PHONY:.*\b$target\b|^[\t]+.*\b$target\b" "$SOURCE/Makefile" "$SOURCE/build.mk" || complain "no target: $target"
	done
	agreed
}

@test "the texts speak of the product only" {
	local files=("$SOURCE"/*.md "$MAN"/* "$SOURCE"/completions/* "$SOURCE/.editorconfig" "$SOURCE/.clang-format"
		"$SOURCE/.clang-tidy" "$SOURCE/.gitattributes")
	# written so that this line does not match itself
	if grep -nE 'T[O]DO|F[I]XME|X[X]X|l[o]rem|[g]enerated (by|with)|/w[o]rk/|/r[o]ot/|[c]o-authored|[a]utopoiesis|S[0-9]-[0-9]{2}' "${files[@]}"; then
		return 1
	fi
	# no address of this or any other machine, but the loopback of examples
	! grep -nE '\b(10|172|192)\.[0-9]+\.[0-9]+\.[0-9]+\b|[r]egistry\.' "${files[@]}"
}
