# SPDX-License-Identifier: Apache-2.0
"""Takes a wheel, an npm package or a Debian package apart, inside a jail, for `sbx libs add`.

unpack.py wheel|npm|deb FILE NAME: regular files go below ./out, what it is to stdout as JSON. Anything
that an honest package does not have (a way up, a link out, a device, a name twice, a wrong hash) refuses the
whole. This runs on a file that nobody has read: what comes out is checked once more outside.
"""
import base64
import hashlib
import io
import json
import lzma
import os
import re
import stat
import subprocess
import sys
import tarfile
import zipfile
import zlib

OUT = "out"
FILES_MAX = 50000
LINKS_MAX = 32


class Refused(Exception):
    pass


def parts_of(name):
    """The parts of a relative name, or a refusal."""
    if "\0" in name or "\\" in name or any(ord(c) < 32 or ord(c) == 127 for c in name):
        raise Refused("a name with a control character or a backslash: %r" % name[:100])
    if name.startswith("/"):
        raise Refused("an absolute name: %r" % name[:100])
    parts = [p for p in name.split("/") if p not in ("", ".")]
    if ".." in parts:
        raise Refused("a name that leads out of the package: %r" % name[:100])
    return parts


class Tree:
    def __init__(self):
        self.files = 0
        self.dirs = set()

    def put(self, parts, source):
        self.files += 1
        if self.files > FILES_MAX:
            raise Refused("more than %d files" % FILES_MAX)
        path = OUT
        for part in parts[:-1]:
            path += "/" + part
            if path not in self.dirs:
                try:
                    os.mkdir(path)
                except OSError as e:
                    raise Refused("a name that is a file and a directory: %r" % "/".join(parts)[:100]) from e
                self.dirs.add(path)
        try:
            fd = os.open(OUT + "/" + "/".join(parts), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
        except OSError as e:
            raise Refused("a name twice: %r" % "/".join(parts)[:100]) from e
        digest = hashlib.sha256()
        with open(fd, "wb") as f:
            while True:
                block = source.read(1 << 18)
                if not block:
                    break
                digest.update(block)
                f.write(block)
        return digest


def field(text, name):
    match = re.search(r"^%s:[ \t]*(.+?)[ \t]*$" % name, text, re.M | re.I)
    return match.group(1) if match else ""


# --- wheels ----------------------------------------------------------------------------------------
def check_tags(name):
    match = re.fullmatch(r"([^-]+)-([^-]+)(?:-\d[^-]*)?-([^-]+)-([^-]+)-([^-]+)\.whl", name)
    if not match:
        raise Refused("not called NAME-VERSION-PYTHON-ABI-PLATFORM.whl")
    major, minor = sys.version_info[:2]
    here = "cp%d%d" % (major, minor)
    pythons, abis, platforms = (set(match.group(i).split(".")) for i in (3, 4, 5))
    own = pythons & {"py%d" % major, "py%d%d" % (major, minor), here}
    stable = "abi3" in abis and any(re.fullmatch(r"cp%d\d+" % major, p) and int(p[3:]) <= minor for p in pythons)
    if not stable and (not own or not abis & {"none", here}):
        raise Refused("it is for %s-%s, and this Python is %s" % (match.group(3), match.group(4), here))
    machine = os.uname().machine
    musl = any(n.startswith("ld-musl-") for n in os.listdir("/lib")) if os.path.isdir("/lib") else False
    kinds = ("musllinux",) if musl else ("manylinux", "linux")
    if not any(p == "any" or (p.startswith(kinds) and p.endswith("_" + machine)) for p in platforms):
        raise Refused("it is for %s, and this is %s" % (match.group(5), machine))
    return match.group(1), match.group(2)


def record_of(archive, info):
    import csv
    rows = {}
    for row in csv.reader(io.StringIO(archive.read(info + "/RECORD").decode("utf-8"))):
        if len(row) >= 2 and row[1]:
            rows[row[0]] = row[1]
    return rows


def seat_of(parts):
    """Where a file of a wheel goes: purelib and platlib of NAME.data are the same here."""
    if not parts[0].endswith(".data"):
        return parts
    if len(parts) > 2 and parts[1] in ("purelib", "platlib"):
        return parts[2:]
    return ["bin"] + parts[2:] if len(parts) > 2 and parts[1] == "scripts" else None


def wheel(path, name, tree):
    named, version = check_tags(name)
    archive = zipfile.ZipFile(path)
    infos = {n.split("/")[0] for n in archive.namelist() if n.split("/")[0].endswith(".dist-info")}
    if len(infos) != 1:
        raise Refused("it has %d directories *.dist-info, not one" % len(infos))
    info = infos.pop()
    meta = archive.read(info + "/METADATA").decode("utf-8")
    record = record_of(archive, info)
    for entry in archive.infolist():
        parts = parts_of(entry.filename)
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise Refused("not a regular file: %r" % entry.filename[:100])
        if entry.is_dir() or not parts:
            continue
        seat = seat_of(parts)
        if seat is None:
            continue
        with archive.open(entry) as source:
            digest = tree.put(seat, source)
        if entry.filename in (info + "/RECORD", info + "/RECORD.jws", info + "/RECORD.p7s"):
            continue
        want = record.get(entry.filename, "")
        have = "sha256=" + base64.urlsafe_b64encode(digest.digest()).decode().rstrip("=")
        if want.startswith(("sha384=", "sha512=")):
            continue  # allowed, and not read twice
        if want.rstrip("=") != have:
            raise Refused("not as its own RECORD says: %r" % entry.filename[:100])
    plain = re.compile(r"[-_.]+")
    if plain.sub("-", field(meta, "Name")).lower() != plain.sub("-", named).lower():
        raise Refused("its METADATA is of %r" % field(meta, "Name")[:100])
    return {"name": field(meta, "Name"), "version": field(meta, "Version") or version}


# --- archives of tar -------------------------------------------------------------------------------
def untar(stream, tree, choose):
    """Regular files, and links to files of the same archive as copies; choose(parts): where to, or None."""
    archive = tarfile.open(fileobj=stream, mode="r:", errors="strict")
    links, kept = [], {}
    for entry in archive:
        parts = parts_of(entry.name)
        seat = choose(parts) if parts else None
        if entry.isdir() or seat is None and entry.isreg():
            continue
        if entry.isreg():
            tree.put(seat, archive.extractfile(entry))
            kept["/".join(parts)] = seat
        elif entry.issym() or entry.islnk():
            links.append((parts, seat, entry))
        else:
            raise Refused("not a regular file: %r" % entry.name[:100])
    for parts, seat, entry in links:
        if entry.islnk():
            target = "/".join(parts_of(entry.linkname))
        elif entry.linkname.startswith("/"):
            target = None if choose(["usr"]) is None else os.path.normpath(entry.linkname.lstrip("/"))
        else:
            target = os.path.normpath("/".join(parts[:-1] + [entry.linkname]))
        if target is None or target == ".." or target.startswith("../"):
            raise Refused("a link that leads out of the package: %r" % entry.name[:100])
        if seat is not None:
            kept["/".join(parts)] = (seat, target)
    for name in list(kept):
        copy_link(kept, name, tree)


def copy_link(kept, name, tree):
    """Links go, and the file that one leads to stands in its place; one that leads to nothing kept goes."""
    if not isinstance(kept[name], tuple):
        return
    seat, target = kept[name]
    for _ in range(LINKS_MAX):
        end = kept.get(target)
        if not isinstance(end, tuple):
            break
        target = end[1]
    else:
        raise Refused("links in a circle: %r" % name[:100])
    if end is not None:
        with open(OUT + "/" + "/".join(end), "rb") as source:
            tree.put(seat, source)


def npm(path, name, tree):
    import gzip
    meta = []

    def choose(parts):
        return parts[1:] if len(parts) > 1 else None
    with gzip.open(path) as stream:
        untar(stream, tree, choose)
    try:
        with open(OUT + "/package.json", encoding="utf-8") as f:
            meta = json.load(f)
        found = {"name": meta["name"], "version": meta["version"]}
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise Refused("it has no package.json with a name and a version") from e
    return found


def members(path):
    """Of an ar archive: name, bytes."""
    with open(path, "rb") as f:
        if f.read(8) != b"!<arch>\n":
            raise Refused("no Debian package")
        while True:
            head = f.read(60)
            if not head:
                return
            if len(head) != 60 or head[58:] != b"`\n":
                raise Refused("no Debian package")
            size = int(head[48:58])
            yield head[:16].decode("ascii").strip().rstrip("/"), f.read(size)
            if size & 1:
                f.read(1)


def expand(name, data):
    end = name.rsplit(".", 1)[1]
    if end == "tar":
        return io.BytesIO(data)
    if end == "gz":
        import gzip
        return gzip.GzipFile(fileobj=io.BytesIO(data))
    if end == "xz":
        return lzma.LZMAFile(io.BytesIO(data))
    if end == "zst":
        with open("/tmp/data.zst", "wb") as f:
            f.write(data)
        try:
            with open("/tmp/data.tar", "wb") as f:
                subprocess.run(["zstd", "-dcq", "/tmp/data.zst"], stdout=f, check=True, stdin=subprocess.DEVNULL)
        except (OSError, subprocess.CalledProcessError) as e:
            raise Refused("zstd is needed, and is not there or fails") from e
        return open("/tmp/data.tar", "rb")
    raise Refused("compressed in an unknown way: %r" % name[:40])


def deb(path, name, tree):
    control, found = "", None
    for member, data in members(path):
        if member.startswith("control.tar"):
            archive = tarfile.open(fileobj=io.BytesIO(expand(member, data).read(8 << 20)), mode="r:")
            for entry in archive:
                if entry.isreg() and parts_of(entry.name) == ["control"] and entry.size < 1 << 20:
                    control = archive.extractfile(entry).read().decode("utf-8")
        elif member.startswith("data.tar"):
            untar(expand(member, data), tree, lambda parts: parts if parts[0] == "usr" else None)
            found = True
    if not control or not found:
        raise Refused("no Debian package")
    want = {"x86_64": "amd64", "aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)
    if field(control, "Architecture") not in ("all", want):
        raise Refused("it is for %s, and this is %s" % (field(control, "Architecture")[:20], want))
    return {"name": field(control, "Package"), "version": field(control, "Version")}


def main():
    kind, path, name = sys.argv[1:4]
    os.mkdir(OUT)
    tree = Tree()
    try:
        found = {"wheel": wheel, "npm": npm, "deb": deb}[kind](path, name, tree)
    except Refused as e:
        sys.exit("refused: %s" % e)
    except (zipfile.BadZipFile, tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, ValueError, KeyError, NotImplementedError,
            UnicodeError, RuntimeError, MemoryError) as e:
        sys.exit("refused: no whole %s: %s" % (kind, str(e)[:100]))
    except OSError as e:
        sys.exit("refused: it does not fit: %s" % (e.strerror or str(e)[:100]))
    if not tree.files:
        sys.exit("refused: there is nothing in it")
    json.dump({"name": str(found["name"]), "version": str(found["version"]), "files": tree.files}, sys.stdout)


main()
