#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What programs do to files works in /mnt/data, whether a file is new or was an input.
load ../helpers

some() { # top.txt, d/one.txt, d/e/two.txt
	request upload '{"files":[{"name":"top.txt","content":"top\n"},{"name":"d/one.txt","content":"1"},{"name":"d/e/two.txt","content":"2"}]}'
	ok
	session=$(jq -r .session "$TMP/.out")
}
now() { names | tr '\n' ' '; }

@test "a new directory is renamed" {
	some
	python 'import os
os.makedirs("n/m"); open("n/m/f","w").write("x"); os.rename("n", "n2"); os.rename("n2/m", "m3")
assert os.listdir("m3") == ["f"]' "$(in_session)"
	ok
	has '.status == "success"'
	equals "$(now)" "d/e/two.txt d/one.txt m3/f top.txt "
}

@test "an input directory is renamed" {
	some
	python 'import os
os.rename("d", "x"); os.rename("x/e", "x/f"); assert open("x/f/two.txt").read() == "2"' "$(in_session)"
	ok
	has '.status == "success" and (.files | map([.name, .change]) | sort) == [["d/e/two.txt","deleted"],["d/one.txt","deleted"],["x/f/two.txt","created"],["x/one.txt","created"]]'
	equals "$(now)" "top.txt x/f/two.txt x/one.txt "
}

@test "files are renamed within, over another and out of a directory" {
	some
	python 'import os
os.rename("top.txt", "new.txt"); os.rename("d/one.txt", "one.txt"); os.replace("one.txt", "new.txt")
os.rename("d/e/two.txt", "d/two.txt")' "$(in_session)"
	ok
	has '.status == "success"'
	equals "$(now)" "d/two.txt new.txt "
	equals "$(content_of new.txt)" 1
}

@test "edit in place, append, truncate, sparse" {
	some
	python 'import os
f = open("top.txt", "r+"); f.write("T"); f.close()
open("d/one.txt", "a").write("+")
os.truncate("d/e/two.txt", 0)
f = open("sparse", "wb"); f.seek(1000000); f.write(b"end"); f.close()' "$(in_session)"
	ok
	has '.files | map([.name, .change, .size]) | sort == [["d/e/two.txt","modified",0],["d/one.txt","modified",2],["sparse","created",1000003],["top.txt","modified",4]]'
	equals "$(content_of top.txt)" Top
	equals "$(content_of d/one.txt)" 1+
}

@test "delete and re-create, by the same and by another content" {
	some
	python 'import os
os.remove("top.txt"); open("top.txt","w").write("top\n")
os.remove("d/one.txt"); open("d/one.txt","w").write("other")' "$(in_session)"
	ok
	has '.files | map([.name, .change]) == [["d/one.txt","modified"]]'
}

@test "a whole directory is removed and made again" {
	some
	python 'import os, shutil
shutil.rmtree("d"); os.makedirs("d/e"); open("d/e/two.txt","w").write("2")' "$(in_session)"
	ok
	has '.files | map([.name, .change]) == [["d/one.txt","deleted"]]'
	equals "$(now)" "d/e/two.txt top.txt "
}

@test "a directory takes the place of a file and the reverse" {
	some
	python 'import os, shutil
os.remove("top.txt"); os.mkdir("top.txt"); open("top.txt/in","w").write("i")
shutil.rmtree("d"); open("d","w").write("file")' "$(in_session)"
	ok
	has '.status == "success"'
	equals "$(now)" "d top.txt/in "
	equals "$(content_of d)" file
}

@test "sed -i, mv, cp and tar work as in a plain directory" {
	some
	bash_code 'set -e; sed -i s/top/TOP/ top.txt; cp -a d copy; mv d moved; tar cf all.tar copy moved; rm -r copy
tar xf all.tar copy; test "$(cat copy/e/two.txt)" = 2; cmp copy/one.txt moved/one.txt; rm all.tar' "$(in_session)"
	ok
	has '.status == "success" and .stderr == ""'
	equals "$(now)" "copy/e/two.txt copy/one.txt moved/e/two.txt moved/one.txt top.txt "
}

@test "sqlite works on an input, journal and all" {
	command -v python3 >/dev/null || lacking python3
	python 'import sqlite3
c = sqlite3.connect("a.db"); c.execute("create table t(x)"); c.executemany("insert into t values(?)", [(i,) for i in range(1000)]); c.commit()'
	ok
	has '.status == "success"'
	session=$(jq -r .session "$TMP/.out")
	python 'import sqlite3
c = sqlite3.connect("a.db"); c.execute("update t set x = x + 1"); c.commit()
c.execute("pragma journal_mode=wal"); c.execute("insert into t values(5)"); c.commit()
print(c.execute("select count(*), sum(x) from t").fetchone()); c.close()' "$(in_session)"
	ok
	has '.status == "success" and .stdout == "(1001, 500505)\n"'
	equals "$(now)" "a.db "
	python 'import sqlite3
print(sqlite3.connect("a.db").execute("pragma integrity_check").fetchone())' "$(in_session)"
	has ".stdout == \"('ok',)\\n\""
}

# the same program runs on the kernels of tests/vm
all_changes() { # WORKSPACE: what the answers must say of it
	local code
	code=$(<"$SOURCE/tests/fixtures/changes.py")
	python "$code" '{"args":["new"]}'
	ok
	has '.status == "success" and .stdout == "" and (.files | length) == 22 and (.files | map(.name) | index("moved/back/f.txt") != null)'
	session=$(jq -r .session "$TMP/.out")
	python "$code" "$(in_session '{"args":["inputs"]}')"
	ok
	has "$(<"$SOURCE/tests/fixtures/changes.jq")"
	has '.isolation.workspace == $w' --arg w "$1"
	equals "$(content_of in/append.txt)" $'append\nmore'
	equals "$(content_of top/two.txt)" 2
}

@test "all kinds of changes to new files and to inputs, in an overlay" {
	config '{"workspace":"overlay"}'
	all_changes overlay
}

@test "all kinds of changes to new files and to inputs, in copies" {
	config '{"workspace":"copy"}'
	all_changes copy
}

@test "locks, mmap and hard links of inputs" {
	some
	python 'import fcntl, mmap, os
f = open("top.txt", "r+b"); fcntl.flock(f, fcntl.LOCK_EX); fcntl.lockf(f, fcntl.LOCK_EX)
m = mmap.mmap(f.fileno(), 0); m[0:3] = b"TOP"; m.flush(); m.close(); f.close()
os.link("top.txt", "linked.txt")
assert open("linked.txt").read() == "TOP\n"' "$(in_session)"
	ok
	has '.status == "success"'
	equals "$(content_of linked.txt)" TOP
	equals "$(content_of top.txt)" TOP
}

@test "what was uploaded never changes, whatever a run does to its own copy" { # S0-27, S1-31, S1-30
	some
	local sum dir
	dir=$(echo "$SBX_STORAGE"/*/"$session")
	sum=$(sha256sum "$dir"/*.txt)
	bash_code 'exec 3<>top.txt; echo x >&3; chmod 777 top.txt d/one.txt; truncate -s 0 d/e/two.txt; touch -d 1999-01-01 top.txt; rm -rf d' "$(in_session '{"commit":"never"}')"
	ok
	equals "$(sha256sum "$dir"/*.txt)" "$sum"
	equals "$(stat -c '%a %h' "$dir"/*.txt | sort -u)" "600 1"
}

# --- what is no file ------------------------------------------------------------------------------
@test "links, FIFOs, sockets and nodes are skipped with a reason and nothing else is" {
	python 'import os, socket
os.symlink("/etc/passwd", "link"); os.symlink("good.txt", "link2"); os.symlink("nowhere", "dangling"); os.symlink(".", "loop")
os.mkfifo("pipe"); s = socket.socket(socket.AF_UNIX); s.bind("sock")
os.mkdir("empty"); open("good.txt","w").write("g")
try: os.mknod("dev", 0o20666, os.makedev(1, 3)); print("NODE")
except OSError: pass'
	ok
	has '.status == "success" and .stdout == "" and (.files | map(.name)) == ["good.txt"]'
	has '(.skipped | map([.name, .reason]) | sort) == (["dangling","link","link2","loop","pipe","sock"] | map([., "not a regular file"]))'
	session=$(jq -r .session "$TMP/.out")
	equals "$(now)" "good.txt "
}

@test "a link in the place of an input ends that input, and leads nowhere" { # S1-37, S0-59
	some
	python 'import os
os.rename("d", "real"); os.symlink("real", "d"); os.remove("real/one.txt"); os.symlink("/etc/passwd", "real/one.txt")' "$(in_session)"
	ok
	has '.skipped | map(.name) | (index("real/one.txt") != null) and (index("d") != null)'
	equals "$(now)" "real/e/two.txt top.txt "
}

@test "an input that became a link or a FIFO is no file any more, at the top as in a directory" {
	some
	python 'import os
os.remove("top.txt"); os.symlink("/etc/passwd", "top.txt"); os.remove("d/one.txt"); os.mkfifo("d/one.txt")' "$(in_session)"
	ok
	has '(.skipped | map(.name) | sort) == ["d/one.txt","top.txt"]'
	has '(.files | map([.name, .change]) | sort) == [["d/one.txt","deleted"],["top.txt","deleted"]]'
	equals "$(now)" "d/e/two.txt "
}

@test "directories and files of mode 000 are harvested all the same" {
	python 'import os
os.makedirs("a/b"); open("a/b/f","w").write("x"); open("g","w").write("y")
os.chmod("g", 0); os.chmod("a/b", 0); os.chmod("a", 0); os.chmod(".", 0)'
	ok
	has '.status == "success" and (.files | map(.name) | sort) == ["a/b/f","g"]'
	session=$(jq -r .session "$TMP/.out")
	equals "$(content_of a/b/f)" x
	local mode
	mode=$(stat -c %a "$SBX_STORAGE"/*/"$session"/*.bin | sort -u)
	equals "$mode" 600
}

@test "set-id bits are refused inside or lost outside" {
	bash_code 'cp /usr/bin/id x; chmod 4755 x; chmod 2755 x; ls -l x | cut -c1-10'
	ok
	has '.stdout | test("[sS]") | not'
}

@test "odd names: newline, escape, invalid UTF-8, too long: skipped with reasons" {
	python 'import os
for n in [b"a\nb", b"esc\x1b[31m", b"bad\xff", b"del\x7f", "c1\u0085".encode(), "bidi\u202e".encode(), b"y" * 201, b" ", b"-rf", b"quote\"", b"back\\slash", b"..."]:
    open(n, "w").write("x")'
	ok
	has '(.files | map(.name) | sort) == ([" ", "-rf", "...", "back\\slash", "quote\""] | sort)'
	has '.skipped | length == 7 and all(.reason | length > 0)'
	has '.skipped | map(.name) | index("bad\ufffd") != null'
	session=$(jq -r .session "$TMP/.out")
}

@test "4000 levels deep: skipped as too deep, the store clean" {
	some
	local sum
	sum=$(store_sum)
	python 'import os
for i in range(4000): os.mkdir("d"  if i else "deep"); os.chdir("d" if i else "deep")
open("bottom","w").write("x")' "$(in_session)"
	ok
	has '.status == "success" and .files == [] and (.skipped | map(.reason) | index("too deep") != null)'
	equals "$(store_sum)" "$sum"
}

@test "a name of twenty parts is kept, one more is not" {
	python 'import os
p = "/".join(["p"] * 19); os.makedirs(p); open(p + "/f","w").write("x"); os.mkdir(p + "/q"); open(p + "/q/g","w").write("y")'
	ok
	has '(.files | length) == 1 and (.files[0].name | endswith("/f")) and (.skipped | length) == 1'
}

@test "hundreds of odd things are listed up to a bound" {
	python 'import os
for i in range(1000): os.mkfifo(f"p{i}")'
	ok
	has '(.skipped | length) == 201 and .skipped[200].reason == "more names, not listed" and .files == []'
}

@test "a thousand files are kept in one revision" {
	python 'for i in range(1000): open(f"f{i:04}","w").write(str(i))'
	ok
	has '(.files | length) == 1000 and .revision == 1'
	session=$(jq -r .session "$TMP/.out")
	equals "$(names | wc -l)" 1000
}

@test "files still open, deleted or mapped at the end are as they are" {
	python 'import os, mmap
f = open("open.txt","w"); f.write("flushed"); f.flush()
g = open("gone.txt","w"); g.write("x"); g.flush(); os.remove("gone.txt")
os._exit(0)'
	ok
	has '(.files | map([.name, .size])) == [["open.txt", 7]]'
}

@test "a large input is read in place: no byte of it counts as scratch" {
	head -c 50000000 /dev/zero >big.bin
	capture sbx upload --json big.bin
	ok
	session=$(jq -r .session "$TMP/.out")
	python 'import hashlib; print(hashlib.sha256(open("big.bin","rb").read()).hexdigest())' "$(in_session '{"limits":{"scratch_bytes":1048576}}')"
	ok
	has '.status == "success" and (.usage.scratch_bytes < 1048576)'
	has '.stdout == $h' --arg h "$(sha256sum big.bin | cut -d' ' -f1)"$'\n'
}

@test "only the workspace and the temporary places may be written" { # S0-30, S0-70, S4-05, S2-38, S4-72
	python 'import os
def w(p):
    try: open(p, "w").write("x"); return True
    except OSError: return False
places = ["/mnt/data/f", "/tmp/f", "/dev/shm/f", "/home/user/g", "/workspace/h"]
bad = ["/f", "/usr/f", "/etc/f", "/etc/passwd", "/usr/bin/python3", "/run/f", "/run/sbx/main.py", "/proc/sys/kernel/core_pattern", "/dev/f", "/mnt/f", "/home/f", "/var/f"]
print([p for p in places if not w(p)], [p for p in bad if w(p)])'
	ok
	has '.stdout == "[] []\n"'
	has '(.files | map(.name) | sort) == ["f","g","h"]'
}

@test "copies in the place of an overlay behave the same" {
	config '{"workspace":"copy"}'
	some
	python 'import os
os.rename("d", "x"); open("top.txt","a").write("more"); os.remove("x/one.txt"); open("new","w").write("n")' "$(in_session)"
	ok
	has '.isolation.workspace == "copy" and .status == "success"'
	equals "$(now)" "new top.txt x/e/two.txt "
	equals "$(content_of top.txt)" $'top\nmore'
	python 1 "$(in_session)"
	ok
	has '.files == []'
	config '{"workspace":"overlay"}'
	python 1 "$(in_session)"
	[ "$status" -eq 0 ] || [ "$status" -eq 71 ]
}
