#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""pip and python -m pip in a jail: what is there is there, and what is not is told at once.

There is no network, so nothing is looked for in one. Files and whatever else goes to the pip that the root has.
"""
import os
import re
import sys
import importlib.metadata as metadata

SEAT = "/run/sbx"
NAME = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[[^]]*\])?\s*([^;#]*)")
VALUED = {"-i", "--index-url", "--extra-index-url", "-f", "--find-links", "-t", "--target", "-c", "--constraint", "--timeout",
          "--retries", "--proxy", "--trusted-host", "--root", "--prefix", "--platform", "--python-version", "--cache-dir",
          "--progress-bar", "--log", "--upgrade-strategy", "--only-binary", "--no-binary"}


def other_pip(args):
    """The pip of the root, when it has one, without this one before it."""
    sys.path[:] = [p for p in sys.path if os.path.realpath(p or ".") not in (SEAT, SEAT + "/bin")]
    for name in [n for n in sys.modules if n == "pip" or n.startswith("pip.")]:
        del sys.modules[name]
    import importlib.util
    if importlib.util.find_spec("pip") is None:
        sys.exit("ERROR: 'pip %s' is not available here" % " ".join(args)[:100])
    import runpy
    sys.argv[:] = ["pip"] + args
    runpy.run_module("pip", run_name="__main__")


def number(version):
    return [int(n) for n in re.findall(r"\d+", version.split("+")[0])]


def fits(version, specifiers):
    have = number(version)
    for spec in filter(None, (s.strip() for s in specifiers.strip(" ()").split(","))):
        match = re.fullmatch(r"(===|==|~=|!=|>=|<=|>|<)\s*([^\s*]+?)(\.\*)?", spec)
        if not match:
            return False
        how, want, star = match.group(1), number(match.group(2)), match.group(3)
        size = max(len(have), len(want))
        a, b = have + [0] * (size - len(have)), want + [0] * (size - len(want))
        same = have[:len(want)] == want if star else a == b
        good = {"==": same, "===": same, "!=": not same, ">=": a >= b, "<=": a <= b, ">": a > b, "<": a < b,
                "~=": a >= b and have[:len(want) - 1] == want[:-1]}[how]
        if not good:
            return False
    return True


def read_list(path):
    try:
        with open(path, encoding="utf-8") as f:
            lines = [line.split(" #")[0].strip() for line in f]
    except (OSError, UnicodeError) as e:
        sys.exit("ERROR: Could not open requirements file: %s" % e)
    return [line for line in lines if line and line[0] not in "#-"]


def wanted(args):
    """Requirements of a command line; None when it names files, which are not for us."""
    found, rest = [], iter(args)
    for word in rest:
        if word in ("-r", "--requirement"):
            found += read_list(next(rest, ""))
        elif word.startswith("--requirement="):
            found += read_list(word.split("=", 1)[1])
        elif word in ("-e", "--editable"):
            return None
        elif word in VALUED:
            next(rest, None)
        elif not word.startswith("-"):
            found.append(word)
    return None if any("/" in w or w == "." or w.endswith((".whl", ".zip", ".gz")) for w in found) else found


def install(args):
    names = wanted(args)
    if names is None:
        return other_pip(args and ["install"] + args)
    missing = []
    for text in names:
        match = NAME.match(text)
        try:
            version = metadata.version(match.group(1)) if match else None
        except metadata.PackageNotFoundError:
            version = None
        if version is None or not fits(version, match.group(2)):
            missing.append(text)
            print("ERROR: Could not find a version that satisfies the requirement %s (from versions: %s)"
                  % (text, version or "none"), file=sys.stderr)
        else:
            print("Requirement already satisfied: %s (%s)" % (text, version))
    if missing or not names:
        print("ERROR: nothing can be downloaded here, there is no network: only the libraries of the profile are there,"
              " and its operator adds some with 'sbx libs add'", file=sys.stderr)
    for name in missing:
        print("ERROR: No matching distribution found for %s" % name, file=sys.stderr)
    sys.exit(1 if missing or not names else 0)


def main():
    args = sys.argv[1:]
    command = next((a for a in args if not a.startswith("-")), "")
    if command == "install":
        args.remove("install")
        install(args)
    elif command in ("download", "wheel", "search", "index"):
        sys.exit("ERROR: nothing can be downloaded here, there is no network")
    elif command in ("list", "freeze"):
        line = "%s==%s" if command == "freeze" else "%-30s %s"
        rows = {d.metadata["Name"]: d.version for d in reversed(list(metadata.distributions())) if d.metadata["Name"]}
        for name in sorted(rows, key=str.lower):
            print(line % (name, rows[name]))
    else:
        other_pip(args)


if __name__ == "__main__":
    main()
