#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The tools that the images promise, each by something that it does in a jail.
load helper

setup() { setup_session; }

# each_says PROFILE: lines "NAME: PATTERN: COMMAND" on stdin; the last line that COMMAND prints has PATTERN
each_says() {
  local code='' name pattern command line=()
  while IFS=: read -r name pattern command; do
    code+="printf '%s: ' $name; { $command; } 2>&1 </dev/null | tail -n 1 | head -c 200; echo"$'\n'
    pattern=${pattern# }
    case $pattern in '^'*) line+=("$name: ${pattern#^}") ;; *) line+=("$name: .*($pattern)") ;; esac
  done
  exec_code "$1" bash "$code"
  for name in "${line[@]}"; do
    jq -r .stdout <<<"$answer" | grep -qE "^$name" || { echo "not so: $name" >&2; jq -r '.stdout, .stderr' <<<"$answer" >&2; return 1; }
  done
}

@test "core Unix: coreutils, findutils, grep, sed, gawk, diffutils, patch" { # S2-01, S2-23
  each_says data <<'X'
coreutils: ^2$: printf 'b\na\n' | sort | wc -l
findutils: in.txt: find /mnt/data -name '*.txt' | xargs -n 1
grep: some: grep -o some in.txt
sed: fine words: sed 's/some/fine/' in.txt
gawk: GNU Awk: gawk --version | head -n 1
diffutils: > x: echo x >/tmp/x; diff in.txt /tmp/x
patch: patched: printf 'a\n' >/tmp/p; printf -- '--- p\n+++ p\n@@ -1 +1 @@\n-a\n+patched\n' | patch -s /tmp/p; cat /tmp/p
X
}

@test "to look, to edit, to count: less, file, tree, bc, man, vim, nano, git" { # S2-02, S2-04
  each_says data <<'X'
less: some words: less -FX in.txt
file: ASCII text: file in.txt
tree: 1 file: tree /mnt/data
bc: 42: echo 6*7 | bc
man: man [0-9]: man --version
vim: edited words: cp in.txt /tmp/v; vi -es -u NONE -c '%s/some/edited/' -c wq /tmp/v; cat /tmp/v
nano: nano: nano --version | head -n 1
git: first: cd /tmp && git init -q g && cd g && git -c user.name=a -c user.email=a@b commit -q --allow-empty -m first && git log --format=%s
X
}

@test "data and archives: jq, xmlstarlet, sqlite3, zip, tar, gzip, bzip2, xz, zstd, 7z" { # S2-07, S2-09
  each_says data <<'X'
jq: ^42$: echo '{"a":42}' | jq .a
xmlstarlet: ^x$: echo '<a><b>x</b></a>' | xmlstarlet sel -t -v //b
sqlite3: ^3$: sqlite3 :memory: 'select 1+2'
zip: some words: cd /tmp && zip -q z.zip -j /mnt/data/in.txt && unzip -p z.zip in.txt
tar: some words: tar -C /mnt/data -cf - in.txt | tar -xOf -
gzip: some words: gzip -c in.txt | gunzip
bzip2: some words: bzip2 -c in.txt | bunzip2
xz: some words: xz -c in.txt | unxz
zstd: some words: zstd -q -c in.txt | zstd -dcq
7z: some words: cd /tmp && 7z a -bd s.7z /mnt/data/in.txt >/dev/null && 7z x -so s.7z
X
}

@test "to build: compilers, cmake, make, and the headers for Python's own modules" { # S2-05, S2-59
  each_says full <<'X'
make: ^42$: cd /tmp && printf 'int main(void){return 42;}' >m.c && make -s m && ./m; echo $?
cmake: ^7$: mkdir -p /tmp/c && cd /tmp/c && printf 'cmake_minimum_required(VERSION 3.13)\nproject(t C)\nadd_executable(t t.c)\n' >CMakeLists.txt && printf 'int main(void){return 7;}' >t.c && cmake -S . -B b >/dev/null && cmake --build b >/dev/null && b/t; echo $?
cxx: ^ok$: cd /tmp && printf '#include <iostream>\nint main(){std::cout<<"ok\\n";}' >x.cpp && g++ x.cpp -o x && ./x
headers: ^5$: cd /tmp && printf '#include <Python.h>\nstatic PyObject *f(PyObject *s,PyObject *a){return PyLong_FromLong(5);}\nstatic PyMethodDef m[]={{"f",f,METH_NOARGS,0},{0}};\nstatic struct PyModuleDef d={PyModuleDef_HEAD_INIT,"own",0,-1,m};\nPyMODINIT_FUNC PyInit_own(void){return PyModule_Create(&d);}' >own.c && gcc -shared -fPIC $(python3-config --includes) own.c -o own.so && python3 -c 'import sys; sys.path.insert(0, "/tmp"); import own; print(own.f())'
X
}

@test "Perl, Ruby and Lua beside the others" { # S2-06
  each_says full <<'X'
perl: ^42$: perl -e 'print 6*7'
ruby: ^42$: ruby -e 'puts 6*7'
lua: ^42$: lua5.4 -e 'print(6*7)'
X
}

@test "to observe: only the jail's own processes are seen, and nothing is traced" { # S2-10
  each_says full <<'X'
ps: ^[1-9]$: ps -e --no-headers | wc -l | awk '$1 < 10 { print $1 }'
htop: htop: htop --version
lsof: /mnt/data: lsof -p $$ -a -d cwd
sysstat: version: iostat -V | head -n 1
tmux: tmux: tmux -V
screen: Screen: screen --version
strace: ^refused$: strace -o /tmp/trace true || echo refused
X
}

@test "the tools of a network are there and find none" { # S2-56
  each_says full <<'X'
curl: curl: curl -sS --max-time 3 http://192.0.2.1/ 2>&1
wget: (unreachable|failed): wget -T 3 -t 1 -O - http://192.0.2.1/
net-tools: lo: /usr/sbin/ifconfig | grep -o '^lo'
dig: (no servers|timed out|refused|unreachable): dig +time=1 +tries=1 @192.0.2.1 example.com
nc: ^nothing$: nc -w 1 192.0.2.1 80 || echo nothing
socat: unreachable: socat - TCP:192.0.2.1:80,connect-timeout=1
ssh: unreachable: ssh -o BatchMode=yes -o ConnectTimeout=1 192.0.2.1 true
rsync: some words: rsync in.txt /tmp/r && cat /tmp/r
psql: unreachable: psql -h 192.0.2.1 -c 'select 1' 2>&1 | tr '\n' ' '
mysql: (Can.t connect|unreachable): mysql -h 192.0.2.1 --connect-timeout=1 -e 'select 1'
X
}

@test "the stacks of science, plots, the web, databases and formats are imported and work" { # S2-13, S2-14, S2-16, S2-17, S2-24, S4-40
  exec_code data python 'import io, numpy as np, pandas as pd, scipy.stats, sklearn.linear_model as lm, matplotlib.pyplot as plt, seaborn, plotly.graph_objects as go
print(np.array([1, 2, 3]).sum(), pd.DataFrame({"a": [1, 2, 3]})["a"].sum())
x = np.arange(10.0).reshape(-1, 1)
print(round(float(lm.LinearRegression().fit(x, 2 * x[:, 0]).coef_[0]), 6), round(float(scipy.stats.norm.cdf(0)), 3))
seaborn.lineplot(x=[1, 2], y=[3, 4]); plt.savefig("s.png"); print(go.Figure(go.Bar(y=[1, 2])).to_json()[:8])
import requests, bs4, lxml.etree, sqlalchemy, psycopg2, yaml, toml, tqdm, rich.console
print(bs4.BeautifulSoup("<p>x</p>", "lxml").p.text, lxml.etree.fromstring("<a b=\"1\"/>").get("b"))
try: requests.get("http://192.0.2.1/", timeout=1)
except requests.ConnectionError: print("no network")
print(sqlalchemy.create_engine("sqlite://").connect().execute(sqlalchemy.text("select 7")).scalar())
try: psycopg2.connect(host="192.0.2.1", connect_timeout=1)
except psycopg2.OperationalError: print("no server")
print(yaml.safe_load("a: [1]"), toml.loads("a = 1"), sum(tqdm.tqdm([1, 2], disable=True)), rich.console.Console(file=io.StringIO()).width > 0)'
  want '.status == "success" and ([.files[].name] == ["s.png"])'
  want '.stdout == "6 6\n2.0 0.5\n{\"data\":\nx 1\nno network\n7\nno server\n{'"'a': [1]} {'a': 1} 3 True"'\n"'
}

@test "IPython and Jupyter run" { # S2-15
  exec_code full bash 'export HOME=/tmp; python3 -m IPython --colors=NoColor --simple-prompt --quick -c "print(6*7)" | tail -n 1
jupyter nbconvert --version | grep -c "^[0-9]"'
  want '.stdout == "42\n1\n"'
}

@test "the tools of a profile: run_python runs code, and its outputs have the names that the prompt promises" { # S2-49, S2-52, S2-53
  answer=$(jq -n --arg s "$session" '{name:"run_python",profile:"data",session:$s,code:"open(\"table.csv\",\"w\").write(\"a,b\\n1,2\\n\"); print(open(\"in.txt\").read())"}' | sbx tool --request -)
  want '.status == "success" and .tool == "run_python" and .stdout == "some words\n\n"'
  want '.files | map([.name, .mime, .change]) == [["table.csv", "text/csv", "created"]]'
  answer=$(jq -n --arg s "$session" '{name:"render_plot",profile:"data",session:$s,code:"import matplotlib.pyplot as plt\nplt.plot([1])\nplt.figure()\nplt.plot([2])"}' | sbx tool --request -)
  want '[.files[].name] | sort == ["plot_1.png","plot_2.png"]'
}
