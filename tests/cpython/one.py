# SPDX-License-Identifier: Apache-2.0
"""Runs one module of CPython's test suite and prints what became of each test case, as JSON.

One and the same text inside a jail and outside. The suite's own driver runs the module; the cases are read
from the file it writes for that.
"""
import json
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as tree

LIMIT_S = 600


def outcome(case):
    for child in case:
        if child.tag in ("failure", "error", "skipped"):
            return child.tag == "skipped" and "skipped" or "failed", (child.text or "")[-1500:]
    return "passed", ""


def main(module, *ignored):
    place = tempfile.mkdtemp()
    report = os.path.join(place, "report.xml")
    command = [sys.executable, "-m", "test", "--timeout", str(LIMIT_S - 30), "--tempdir", place, "--junit-xml", report]
    for pattern in ignored:
        command += ["--ignore", pattern]
    command.append(module)
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          cwd=place, timeout=LIMIT_S, check=False)
    text = done.stdout.decode(errors="replace")
    cases, why = {}, {}
    try:
        for case in tree.parse(report).iter("testcase"):
            name = case.get("name")
            if name is None:    # the driver's own book-keeping of a part of a test
                continue
            result, text_of = outcome(case)
            # several parts of one test share its name: the worst counts
            if cases.get(name) != "failed":
                cases[name] = result
                why[name] = text_of
    except (OSError, tree.ParseError):
        pass
    results = [line for line in text.splitlines() if line.startswith("Tests result: ")]
    cases["(module)"] = results[-1][14:] if results else "no result, status %d" % done.returncode
    json.dump({"cases": cases, "why": {k: v for k, v in why.items() if v}, "text": text[-4000:]}, sys.stdout)


main(*sys.argv[1:])
