#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# bats file_tags=slow
# The shipped run-times at work under the default filter: what they compute is known beforehand, and nothing
# that they do on the way is told as an attack.
load ../helpers

# quiet: it succeeded, and no call of it was in the attack class
quiet() {
	ok || return 1
	has '.status == "success" and .blocked == []' || return 1
}
printed() { equals "$(jq -r .stdout "$TMP/.out")" "$1"; }
py_needs() {
	/usr/bin/python3 -c "import $1" 2>/dev/null || lacking "Python's $1"
}

@test "numpy: linear algebra in threads, FFT, random numbers, a mapped file" {
	py_needs numpy
	python 'import numpy as np, threading
a = np.arange(250000, dtype=float).reshape(500, 500) % 7 + np.eye(500) * 50
u, s, v = np.linalg.svd(a); print(np.allclose(u @ np.diag(s) @ v, a))
x = np.linalg.solve(a, np.ones(500)); print(np.allclose(a @ x, 1))
t = np.arange(1024) / 1024; print(int(np.argmax(np.abs(np.fft.rfft(np.sin(2 * np.pi * 50 * t))))))
r = np.random.default_rng(1); print(abs(r.normal(size=100000).mean()) < 0.02)
m = np.memmap("big.bin", dtype="i4", mode="w+", shape=(1000, 1000)); m[:] = 7; m.flush(); del m
print(int(np.memmap("big.bin", dtype="i4", mode="r").sum()))
out = []
ts = [threading.Thread(target=lambda: out.append(float((a @ a).trace()))) for _ in range(4)]
[q.start() for q in ts]; [q.join() for q in ts]; print(len(set(out)))'
	quiet
	printed $'True\nTrue\n50\nTrue\n7000000\n1'
}

@test "pandas: join, group, pivot, resample, csv and JSON round trips" {
	py_needs pandas
	python 'import pandas as pd, numpy as np
a = pd.DataFrame({"k": list("abca"), "v": [1, 2, 3, 4]}); b = pd.DataFrame({"k": list("abd"), "w": [10, 20, 30]})
print(len(a.merge(b, on="k")), len(a.merge(b, on="k", how="outer")))
print(a.groupby("k").v.sum().to_dict())
print(a.pivot_table(index="k", values="v", aggfunc="mean").v["a"])
s = pd.Series(range(48), index=pd.date_range("2024-03-30", periods=48, freq="h", tz="Europe/Berlin"))
print(s.resample("D").sum().tolist())
a.to_csv("a.csv", index=False); print(pd.read_csv("a.csv").equals(a), pd.read_json(a.to_json(orient="split"), orient="split").equals(a))
print(a.v.rolling(2).sum().dropna().tolist())' '{"limits":{"wall_ms":30000}}'
	quiet
	printed $'3 5\n{\'a\': 5, \'b\': 2, \'c\': 3}\n2.5\n[276, 805, 47]\nTrue True\n[3.0, 5.0, 7.0]'
}

@test "scipy: minimum, integral, differential equation, sparse solve, filter, test" {
	py_needs scipy
	python 'import numpy as np
from scipy import optimize, integrate, sparse, signal, stats
from scipy.sparse.linalg import spsolve
print(np.round(optimize.minimize(lambda p: (p[0] - 1) ** 2 + (p[1] + 2) ** 2, [0, 0]).x, 3).tolist())
print(round(integrate.quad(lambda x: np.exp(-x * x), -np.inf, np.inf)[0] ** 2, 6))
print(round(integrate.solve_ivp(lambda t, y: -y, [0, 1], [1], rtol=1e-8).y[0, -1], 5))
A = sparse.diags([-1, 2, -1], [-1, 0, 1], shape=(1000, 1000), format="csc"); print(np.allclose(A @ spsolve(A, np.ones(1000)), 1))
b, a = signal.butter(4, 0.2); print(len(signal.filtfilt(b, a, np.sin(np.arange(200)))))
print(stats.ttest_ind([1, 2, 3, 4], [1, 2, 3, 4]).pvalue)'
	quiet
	printed $'[1.0, -2.0]\n3.141593\n0.36788\nTrue\n200\n1.0'
}

@test "scikit-learn: fit in several jobs, predict, cross-validate, save and load" {
	py_needs sklearn
	python 'import pickle
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.cluster import KMeans
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
X, y = load_iris(return_X_y=True)
f = RandomForestClassifier(50, random_state=1, n_jobs=2).fit(X, y); print(f.score(X, y) > 0.99)
print(cross_val_score(make_pipeline(StandardScaler(), LogisticRegression()), X, y, cv=5).mean() > 0.9)
print(len(set(KMeans(3, n_init=5, random_state=1).fit_predict(X))))
print((pickle.loads(pickle.dumps(f)).predict(X) == f.predict(X)).all())' '{"limits":{"wall_ms":30000}}'
	quiet
	printed $'True\nTrue\n3\nTrue'
}

@test "matplotlib and PIL: PNG, PDF, SVG, JPEG, GIF; drawn, reread and changed" {
	py_needs matplotlib && py_needs PIL
	python 'import matplotlib.pyplot as plt, numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont
fig, ax = plt.subplots(1, 2, figsize=(4, 2)); ax[0].plot(np.sin(np.arange(50) / 5)); ax[1].imshow(np.eye(9)); ax[0].set_title("Größe α")
for e in ("png", "pdf", "svg"): fig.savefig("p." + e, dpi=50)
i = Image.open("p.png"); print(i.size, open("p.pdf", "rb").read(5), "<svg" in open("p.svg").read())
j = Image.new("RGB", (64, 64), "red"); ImageDraw.Draw(j).ellipse((8, 8, 56, 56), fill="blue")
j.filter(ImageFilter.GaussianBlur(2)).resize((32, 32)).rotate(30).save("q.jpg"); print(Image.open("q.jpg").format, Image.open("q.jpg").size)
j.save("q.gif", save_all=True, append_images=[j.rotate(90)]); print(Image.open("q.gif").n_frames)'
	quiet
	printed $'(200, 100) b\'%PDF-\' True\nJPEG (32, 32)\n2'
}

@test "sqlite3 and lxml: transactions, write-ahead log, full text, XPath, XSLT, schema, HTML" {
	py_needs lxml
	python 'import sqlite3, threading
from lxml import etree, html
c = sqlite3.connect("a.db"); print(c.execute("pragma journal_mode=wal").fetchone()[0])
c.execute("create table t(x, y)"); c.executemany("insert into t values(?,?)", ((i, i * i) for i in range(10000))); c.commit()
try:
    with c: c.execute("delete from t"); raise KeyError
except KeyError: pass
print(c.execute("select count(*), sum(y) from t").fetchone())
r = []; q = threading.Thread(target=lambda: r.append(sqlite3.connect("a.db").execute("select max(x) from t").fetchone())); q.start(); q.join(); print(r)
c.execute("create virtual table f using fts5(b)"); c.execute("insert into f values(\"the quick fox\")"); print(c.execute("select count(*) from f where f match \"fox\"").fetchone())
d = etree.fromstring("<a><b n=\"1\">x</b><b n=\"2\">y</b></a>"); print(d.xpath("//b[@n>1]/text()"))
s = etree.XSLT(etree.XML("<xsl:stylesheet version=\"1.0\" xmlns:xsl=\"http://www.w3.org/1999/XSL/Transform\"><xsl:template match=\"/\"><n><xsl:value-of select=\"count(//b)\"/></n></xsl:template></xsl:stylesheet>")); print(str(s(d)).split("?>")[-1].strip())
print(html.fromstring("<p>a<b>c").text_content())'
	quiet
	printed $'wal\n(10000, 333283335000)\n[(9999,)]\n(1,)\n[\'y\']\n<n>2</n>\nac'
}

@test "Node: worker threads that share memory, children, streams, WebAssembly, crypto, zlib" {
	run_code javascript 'const { Worker } = require("worker_threads"), cp = require("child_process"), fs = require("fs");
const crypto = require("crypto"), zlib = require("zlib"), { pipeline } = require("stream/promises"), { Transform } = require("stream");
(async () => {
	const shared = new SharedArrayBuffer(4), all = [];
	for (let i = 0; i < 4; i++) all.push(new Promise((done) => new Worker(
		"const a = new Int32Array(require(\"worker_threads\").workerData); for (let i = 0; i < 1000; i++) Atomics.add(a, 0, 1);",
		{ eval: true, workerData: shared }).on("exit", done)));
	await Promise.all(all); console.log(new Int32Array(shared)[0]);
	console.log(cp.execFileSync("/bin/sh", ["-c", "echo child $((6 * 7))"]).toString().trim());
	const child = cp.spawn("cat"); child.stdin.end("through a pipe"); let got = ""; for await (const d of child.stdout) got += d; console.log(got);
	fs.writeFileSync("f.js", "process.on(\"message\", (m) => { process.send(m + 1); process.disconnect(); })");
	console.log(await new Promise((done) => { const f = cp.fork("./f.js"); f.on("message", done); f.send(41); }));
	fs.writeFileSync("in.txt", "line\n".repeat(100000));
	await pipeline(fs.createReadStream("in.txt"), new Transform({ transform(c, e, d) { d(null, c.toString().toUpperCase()); } }), zlib.createGzip(), fs.createWriteStream("out.gz"));
	console.log(zlib.gunzipSync(fs.readFileSync("out.gz")).length, zlib.brotliDecompressSync(zlib.brotliCompressSync("x")).toString());
	const wasm = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 3, 2, 1, 0, 7, 7, 1, 3, 97, 100, 100, 0, 0, 10, 9, 1, 7, 0, 32, 0, 32, 1, 106, 11]);
	console.log((await WebAssembly.instantiate(wasm)).instance.exports.add(40, 2));
	const key = crypto.scryptSync("p", "s", 32), iv = Buffer.alloc(12), c = crypto.createCipheriv("aes-256-gcm", key, iv);
	const text = Buffer.concat([c.update("secret"), c.final()]), d = crypto.createDecipheriv("aes-256-gcm", key, iv); d.setAuthTag(c.getAuthTag());
	console.log(Buffer.concat([d.update(text), d.final()]).toString(), crypto.createHash("sha256").update("").digest("hex").slice(0, 8));
	const { privateKey, publicKey } = crypto.generateKeyPairSync("ed25519");
	console.log(crypto.verify(null, Buffer.from("m"), publicKey, crypto.sign(null, Buffer.from("m"), privateKey)), crypto.randomBytes(16).length);
})();' '{"limits":{"wall_ms":30000}}'
	quiet
	printed $'4000\nchild 42\nthrough a pipe\n42\n500000 x\n42\nsecret e3b0c442\ntrue 16'
}

@test "bash and coreutils: pipes, process substitution, traps, arrays, jobs, here-documents, archives" {
	bash_code 'set -euo pipefail
trap "echo bye" EXIT; trap "echo usr1" USR1
declare -A count=(); for w in a b a c a; do count[$w]=$((${count[$w]:-0} + 1)); done
for k in $(printf "%s\n" "${!count[@]}" | sort); do printf "%s=%s " "$k" "${count[$k]}"; done; echo
diff <(seq 3) <(seq 4) || echo "differs $?"
seq 1000 | shuf --random-source=<(yes) | sort -n | awk "{s += \$1} END {print s}"
mapfile -t lines < <(printf "x\ny\n"); echo "${#lines[@]} ${lines[-1]}"
(sleep 0.05; kill -USR1 $$) & wait $! || :; wait || :
coproc { tr a-z A-Z; }; echo loud >&"${COPROC[1]}"; exec {COPROC[1]}>&-; read -r l <&"${COPROC[0]}"; echo "$l"
mkdir -p d/e; for i in {1..20}; do echo "$i" >"d/e/$i"; done; find d -type f -print0 | xargs -0 -P4 -n5 cat | sort -n | tail -1
tar czf a.tgz d && rm -r d && tar xzf a.tgz && ls d/e | wc -l; cp -a d f && diff -r d f && echo same
mkfifo p; (echo fifo >p) & cat p; rm p
cat <<-END | sed "s/o/0/g" | rev | cut -c1-3
	foo
END
printf "%s" hello | tee >(wc -c >n) | sha256sum | cut -c1-8; sleep 0.1; until [ -s n ]; do sleep 0.02; done; cat n
[[ abc =~ ^a(.)c$ ]] && echo "${BASH_REMATCH[1]}"; timeout 0.1 sleep 5 || echo "timeout $?"
ulimit -n; stat -c %a a.tgz; date -u -d @0 +%F; join <(echo 1 a) <(echo 1 b); split -l 5 <(seq 12) s. && ls s.* | wc -l'
	quiet
	printed $'a=3 b=1 c=1 \n3a4\n> 4\ndiffers 1\n500500\n2 y\nusr1\nLOUD\n20\n20\nsame\nfifo\n00f\n2cf24dba\n5\nb\ntimeout 124\n256\n644\n1970-01-01\n1 a b\n3\nbye'
}

@test "gcc: compiles, links and runs C with threads, C++ with exceptions, a shared library and make" {
	needs gcc
	profile cc '{"extends":"default","exec_writable":true}'
	bash_code 'set -e
cat >m.c <<END
#include <pthread.h>
#include <stdio.h>
#include <math.h>
int twice(int);
static void *f(void *p) { *(double *)p = sqrt(*(double *)p); return 0; }
int main(void) { pthread_t t; double d = 1764; pthread_create(&t, 0, f, &d); pthread_join(t, 0); printf("%g %d\n", d, twice(21)); }
END
echo "int twice(int x) { return 2 * x; }" >l.c
printf "m: m.c l.so\n\tgcc -O2 -Wall -o m m.c ./l.so -lm -pthread\nl.so: l.c\n\tgcc -shared -fPIC -o l.so l.c\n" >Makefile
make -s && ./m
gcc -static -O1 -o s l.c -x c - <<<"int twice(int); int main(void) { return twice(3); }" && { ./s || echo "status $?"; }
gcc -g -fsanitize=undefined -o u -x c - <<<"#include <stdio.h>
int main(int c, char **v) { (void)v; printf(\"%d\\n\", 2147483647 + c); }" && ./u 2>&1 | grep -c "signed integer overflow"
if command -v g++ >/dev/null; then
	g++ -std=c++20 -o x -x c++ - <<<"#include <iostream>
#include <thread>
#include <stdexcept>
int main() { std::jthread t([] {}); try { throw std::runtime_error(\"caught\"); } catch (std::exception &e) { std::cout << e.what() << std::endl; } }" -pthread && ./x
else echo caught; fi' '{"profile":"cc","limits":{"wall_ms":30000}}'
	quiet
	printed $'42 42\nstatus 6\n1\ncaught'
}
