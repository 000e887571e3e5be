#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Two users, two sessions: nothing of one is reached by the other, by whatever way; and what is
# absent looks exactly as what is somebody else's.
load ../helpers

setup() {
	common_setup
	upload secret.txt "the secret of A" "{\"user\":\"$USER_A\"}"
	A=$session A_ID=$id
	upload own.txt "of B" "{\"user\":\"$USER_B\"}"
	B=$session
	request ls "{\"user\":\"$USER_A\",\"session\":\"$A\",\"id_form\":\"short\"}"
	A_SHORT=$(jq -r '.files[0].id' "$TMP/.out")
	SUM=$(store_sum)
}

# the same request with the foreign id and with an id that nothing has: the same bytes but for ids
same_as_absent() { # VERB JSON-WITH-@
	local foreign
	request "$1" "${2//@/$3}"
	[ "$status" -ne 0 ] || { echo "it was answered"; show; return 1; }
	foreign="$status $(sed "s/$3/ID/g" "$TMP/.out")$errors"
	request "$1" "${2//@/$4}"
	equals "$foreign" "$status $(sed "s/$4/ID/g" "$TMP/.out")$errors" || return 1
	! grep -q secret <<<"$foreign"
}

@test "a session id of another user is as if it were not there, for every verb" { # S0-21, S0-22, S0-24, S0-25, S1-41
	local verb
	for verb in ls diff undo fork; do
		same_as_absent $verb "{\"user\":\"$USER_B\",\"session\":\"@\"}" "$A" "$ABSENT"
		refused E_NOT_FOUND
	done
	same_as_absent get "{\"user\":\"$USER_B\",\"session\":\"@\",\"name\":\"secret.txt\",\"out\":\"$TMP/o\"}" "$A" "$ABSENT"
	same_as_absent get "{\"user\":\"$USER_B\",\"session\":\"@\",\"all\":true,\"out\":\"$TMP/o\"}" "$A" "$ABSENT"
	same_as_absent rm "{\"user\":\"$USER_B\",\"session\":\"@\",\"files\":[\"secret.txt\"]}" "$A" "$ABSENT"
	same_as_absent rm "{\"user\":\"$USER_B\",\"session\":\"@\",\"whole_session\":true,\"force\":true}" "$A" "$ABSENT"
	same_as_absent upload "{\"user\":\"$USER_B\",\"session\":\"@\",\"files\":[{\"name\":\"secret.txt\",\"content\":\"x\"}]}" "$A" "$ABSENT"
	same_as_absent exec "{\"user\":\"$USER_B\",\"session\":\"@\",\"lang\":\"python\",\"code\":\"print(open('secret.txt').read())\"}" "$A" "$ABSENT"
	equals "$(store_sum)" "$SUM"
	[ ! -e "$TMP/o" ]
}

@test "a file id of another user is as if it were not there, in both forms" { # S0-21, S0-25
	local short_absent=AAAAAAAAAAAAAAAAAAAAA
	same_as_absent stat "{\"user\":\"$USER_B\",\"id\":\"@\"}" "$A_ID" "$ABSENT"
	refused E_NOT_FOUND
	same_as_absent stat "{\"user\":\"$USER_B\",\"id\":\"@\"}" "$A_SHORT" "$short_absent"
	same_as_absent get "{\"user\":\"$USER_B\",\"id\":\"@\",\"out\":\"$TMP/o\"}" "$A_ID" "$ABSENT"
	same_as_absent get "{\"user\":\"$USER_B\",\"session\":\"$B\",\"id\":\"@\",\"out\":\"$TMP/o\"}" "$A_ID" "$ABSENT"
	same_as_absent rm "{\"user\":\"$USER_B\",\"session\":\"$B\",\"files\":[\"@\"]}" "$A_ID" "$ABSENT"
	same_as_absent exec "{\"user\":\"$USER_B\",\"session\":\"$B\",\"lang\":\"bash\",\"code\":\"cat *\",\"files\":[\"@\"]}" "$A_ID" "$ABSENT"
	same_as_absent exec "{\"user\":\"$USER_B\",\"session\":\"$B\",\"lang\":\"bash\",\"code\":\"cat *\",\"files\":[{\"id\":\"@\",\"name\":\"x\"}]}" "$A_ID" "$ABSENT"
	same_as_absent exec "{\"user\":\"$USER_B\",\"session\":\"$B\",\"lang\":\"bash\",\"code\":\"cat *\",\"files\":[{\"id\":\"@\",\"user\":\"$USER_A\",\"session\":\"$A\"}]}" "$A_ID" "$ABSENT"
	equals "$(store_sum)" "$SUM"
	[ ! -e "$TMP/o" ]
}

@test "missing: skip tells no difference either" {
	local foreign
	request exec "{\"user\":\"$USER_B\",\"session\":\"$B\",\"lang\":\"bash\",\"code\":\"ls\",\"missing\":\"skip\",\"files\":[\"$A_ID\"]}"
	ok
	foreign=$(jq -c '[.stdout, .skipped]' "$TMP/.out" | sed "s/$A_ID/ID/")
	request exec "{\"user\":\"$USER_B\",\"session\":\"$B\",\"lang\":\"bash\",\"code\":\"ls\",\"missing\":\"skip\",\"files\":[\"$ABSENT\"]}"
	ok
	equals "$foreign" "$(jq -c '[.stdout, .skipped]' "$TMP/.out" | sed "s/$ABSENT/ID/")"
}

@test "a second session of the same user does not see the first one's files" { # S0-20
	request exec "{\"user\":\"$USER_A\",\"lang\":\"bash\",\"code\":\"find / -name 'secret.txt' -not -path '/usr/*' -not -path '/proc/*' 2>/dev/null; ls -la\"}"
	ok
	has '.stdout | contains("secret") | not'
}

@test "names and paths of others lead nowhere" { # S0-22, S0-23
	local name
	for name in "../$A/secret.txt" "../../$USER_A/$A/secret.txt" "$SBX_STORAGE/$USER_A/$A/$A_ID.txt" ".manifest/1.json" \
		"$A_ID.txt" "../.manifest/1.json" ".session.json" "secret.txt"; do
		request get "{\"user\":\"$USER_B\",\"session\":\"$B\",\"name\":\"$name\",\"out\":\"$TMP/o\"}"
		refused E_NOT_FOUND
		request exec "{\"user\":\"$USER_B\",\"session\":\"$B\",\"lang\":\"bash\",\"code\":\"cat *\",\"files\":[\"$name\"]}"
		refused E_NOT_FOUND
		request rm "{\"user\":\"$USER_B\",\"session\":\"$B\",\"files\":[\"$name\"]}"
		refused E_NOT_FOUND
	done
	for name in "../$USER_B/$A" "$A/" "./$A" "${A:0:8}/../$A" "${A^^}x" "%2e%2e/$A" "$(printf '%s\n' "$A")x"; do
		request ls "$(jq -cn --arg u $USER_B --arg s "$name" '{user: $u, session: $s}')"
		refused E_NOT_FOUND
	done
	for name in "$USER_A/../$USER_A" "../$USER_A" "$USER_A/" ".ids" ".ids/aa"; do
		request sessions "$(jq -cn --arg u "$name" '{user: $u}')"
		refused E_REQUEST /user
	done
}

@test "an id of another case or with braces is no other way to a session" {
	request ls "{\"user\":\"$USER_B\",\"session\":\"${A^^}\"}"
	refused E_NOT_FOUND
	request ls "{\"user\":\"$USER_B\",\"session\":\"{$A}\"}"
	refused E_NOT_FOUND
}

@test "code sees no other session, user or path of the store" { # S0-20, S0-33, S0-34, S4-01
	request exec "$(jq -cn --arg u $USER_B --arg s "$B" --arg p "$SBX_STORAGE" --arg src "$SOURCE" \
		'{user: $u, session: $s, lang: "python", code: ("import os\nprint(os.listdir(\".\"), os.path.exists(\"\($p)\"), os.path.exists(\"\($src)\"))\n" +
		"t = open(\"/proc/self/mountinfo\").read() + open(\"/proc/self/environ\").read()\nprint(\"\($p)\" in t)")}')"
	ok
	has ".stdout == \"['own.txt'] False False\\nFalse\\n\""
}

@test "an answer of one user tells no path, no id and no name of another, nor of the host" {
	request exec "{\"user\":\"$USER_B\",\"session\":\"$B\",\"lang\":\"bash\",\"code\":\"mount; cat /proc/self/mountinfo /proc/1/status; ls -la / /proc/1 /mnt/data; env; id; hostname\"}"
	ok
	! grep -qF -e "$A" -e "$A_ID" -e secret -e "$USER_A" "$TMP/.out"
	has '.stdout | endswith("\nsbx\n")'
}

@test "the mount table inside does not tell where the store lies" {
	request exec "{\"user\":\"$USER_B\",\"session\":\"$B\",\"lang\":\"bash\",\"code\":\"cat /proc/self/mountinfo /proc/self/mounts\"}"
	ok
	! grep -qF "$SBX_STORAGE" "$TMP/.out"
	! jq -r .stdout "$TMP/.out" | grep -qF "$B"
}

@test "a user who erases everything of their own touches nothing of others" {
	request rm "{\"user\":\"$USER_B\",\"whole_user\":true}"
	ok
	request ls "{\"user\":\"$USER_A\",\"session\":\"$A\"}"
	ok
	request get "{\"user\":\"$USER_A\",\"id\":\"$A_ID\",\"out\":\"$TMP/o\"}"
	ok
	equals "$(<"$TMP/o")" "the secret of A"
}

@test "a trusted caller may mount files of several users, and only such a one" {
	config "{\"trusted\":[\"$(login_name)\"]}"
	request exec "{\"user\":\"$USER_B\",\"session\":\"$B\",\"lang\":\"bash\",\"code\":\"cat x\",\"files\":[{\"id\":\"$A_ID\",\"name\":\"x\"}]}"
	local named=$status
	config '{"trusted":["*"]}'
	request exec "{\"user\":\"$USER_B\",\"session\":\"$B\",\"lang\":\"bash\",\"code\":\"cat x; echo more >>x\",\"files\":[{\"id\":\"$A_ID\",\"name\":\"x\",\"user\":\"$USER_A\"}]}"
	ok
	has '.stdout == "the secret of A"'
	request exec "{\"user\":\"$USER_B\",\"session\":\"$B\",\"lang\":\"bash\",\"code\":\"cat x\",\"files\":[{\"id\":\"$A_ID\",\"name\":\"x\",\"user\":\"$USER_B\"}]}"
	refused E_NOT_FOUND
	config '{"trusted":["somebody-else"]}'
	request exec "{\"user\":\"$USER_B\",\"session\":\"$B\",\"lang\":\"bash\",\"code\":\"cat x\",\"files\":[{\"id\":\"$A_ID\",\"name\":\"x\"}]}"
	refused E_NOT_FOUND
	# a login name without an entry in passwd cannot be named
	[ $named -eq 0 ] || ! getent passwd "$(id -u)" >/dev/null
	request get "{\"user\":\"$USER_A\",\"session\":\"$A\",\"name\":\"secret.txt\",\"out\":\"$TMP/o\"}"
	ok
	equals "$(<"$TMP/o")" "the secret of A"
}

@test "a thousand guesses find nothing" { # S0-25
	local list
	list=$(for ((i = 0; i < 1000; i++)); do printf '%s\n' "$(printf '%08x-%04x-4%03x-8%03x-%012x' $RANDOM$RANDOM $RANDOM $((RANDOM % 4096)) $((RANDOM % 4096)) $RANDOM$RANDOM)"; done)
	request exec "$(jq -Rsc --arg u $USER_B --arg s "$B" '{user: $u, session: $s, lang: "bash", code: "ls", missing: "skip", files: (split("\n") | map(select(. != "") | .[0:36]))}' <<<"$list")"
	ok
	has '.stdout == ""'
}
