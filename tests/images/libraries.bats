#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Lists of libraries and of commands on an image: what is named works with all that it needs, the rest is not
# there. Needs the images data and full.
load helper
setup() {
  setup_session
  profiles=$SBX_WORK/home/.config/sbx/profiles
  mkdir -p "$profiles"
  chmod 755 "$SBX_WORK/home/.config" "$SBX_WORK/home/.config/sbx" "$profiles"
}
profile() { printf '%s' "$2" >"$profiles/$1.json" && chmod 644 "$profiles/$1.json"; }

@test "three libraries of Python by name, with what they need, and no other" {
  profile three '{"extends": "data", "libraries": {"python": ["sklearn", "Pillow", "seaborn"]}}'
  exec_code three python 'import sklearn.linear_model, PIL.Image, seaborn, importlib.metadata as m
print(sklearn.linear_model.LinearRegression().fit([[0], [1]], [1, 3]).coef_.round(3)[0], m.version("scikit-learn") == sklearn.__version__)'
  want '.status == "success" and .stdout == "2.0 True\n"'
  for name in reportlab docx openpyxl statsmodels; do
    exec_code data python "import $name"
    want '.status == "success"'
    exec_code three python "import $name"
    want ".status == \"error\" and (.hint | startswith(\"'$name' is installed, and the profile 'three' does not allow it\"))"
  done
  exec_code three bash 'ls /usr/lib/python3/dist-packages | grep -cE "^(reportlab|docx|openpyxl|statsmodels)"; ls -A /usr/share/python-wheels 2>/dev/null'
  want '.stdout == "0\n"'
}

@test "each library of the image can be the only one that is allowed" {
  exec_code data python 'import importlib.metadata as m
for top, names in sorted(m.packages_distributions().items()):
    print(top)'
  want '.status == "success"'
  local all count=0
  all=$(jq -r .stdout <<<"$answer")
  for name in numpy pandas matplotlib scipy sklearn seaborn sympy networkx openpyxl docx lxml bs4 requests yaml reportlab statsmodels; do
    grep -qx "$name" <<<"$all" || continue
    count=$((count + 1))
    profile "only-$name" "{\"extends\": \"data\", \"libraries\": {\"python\": [\"$name\"]}}"
    answer=$(jq -n --arg p "only-$name" --arg c "import $name" --arg s "$session" '{profile: $p, lang: "python", code: $c, session: $s}' | sbx exec)
    want '.status == "success"' || { echo "of $name"; return 1; }
  done
  [ "$count" -ge 8 ]
}

@test "a library of Node by name, with what it needs, and no other" {
  profile node '{"extends": "data", "libraries": {"javascript": ["busboy"]}}'
  exec_code data javascript 'console.log(require("busboy").name.length > 0, require("xtend").name)'
  want '.status == "success"'
  exec_code node javascript 'console.log(typeof require("busboy"), typeof require("streamsearch"))'
  want '.stdout == "function function\n"'
  exec_code node javascript 'require("xtend")'
  want '.status == "error" and (.hint | startswith("'"'xtend' is installed, and the profile 'node' does not allow it"'"))'
  exec_code node bash 'ls /usr/share/nodejs/xtend'
  want '.status == "error"'
}

@test "without compilers the languages that need one are refused, and the others run" {
  profile bare '{"extends": "full", "commands": {"deny": ["compiler", "package"]}}'
  for lang in c cpp rust go d fortran; do
    exec_code bare "$lang" x || true
    jq -e '.ok == false and .error.code == "E_POLICY"' <<<"$answer" >/dev/null || { echo "$lang: $answer"; return 1; }
  done
  exec_code bare python 'print(1)'
  want '.stdout == "1\n"'
  exec_code bare perl 'print 2'
  want '.stdout == "2"'
  exec_code bare r 'cat(3)'
  want '.stdout == "3"'
  exec_code bare bash 'gcc --version; /usr/lib/gcc/*/*/cc1 --version; go version; rustc --version; as --version; echo "$?"'
  want '.stdout == "126\n"'
}
