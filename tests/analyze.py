# SPDX-License-Identifier: Apache-2.0
"""analyze.py FINDINGS KNOWN TOOLS: each finding must be explained in KNOWN, and each explanation needed.

A finding is UNIT, a tab, FILE:LINE:COLUMN: KIND: MESSAGE [CHECK]. An explanation is UNIT, CHECK, a piece of
the message or of the line of source, and the reason, with tabs between: line numbers may change.
"""
import re
import sys


def source(path, line):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read().splitlines()[line - 1]
    except (OSError, IndexError):
        return ""


def main(findings, known, tools):
    with open(known, encoding="utf-8") as file:
        rows = [line.rstrip("\n").split("\t") for line in file if line.strip() and not line.startswith("#")]
    used, bad = set(), 0
    with open(findings, encoding="utf-8") as file:
        for text in file:
            unit, finding = text.rstrip("\n").split("\t", 1)
            match = re.match(r"([^:]+):(\d+)(?::\d+)?: \w+: (.*?)(?: \[CWE-\d+\])? \[(?:-W)?([^]]+)\]$", finding)
            if match:
                where = match[3] + " " + source(match[1], int(match[2]))
                row = next((i for i, r in enumerate(rows) if r[0] == unit and r[1] in match[4].split(",") and r[2] in where), None)
                if row is not None:
                    used.add(row)
                    continue
            bad += 1
            print("analyze: %s: %s" % (unit, finding))
    for i, row in enumerate(rows):
        if i not in used:
            bad += 1
            print("analyze: explained, but found no more: " + " ".join(row[:3]))
    print("%s tools, %d findings explained, %d not: %d passed, %d failed" % (tools, len(used), bad, len(used), bad))
    return bad > 0


sys.exit(main(*sys.argv[1:]))
