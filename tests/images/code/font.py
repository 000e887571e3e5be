"""font.py OUT: a TrueType font whose only letter, A, is a filled square of one em."""
import struct
import sys


def glyph():
    points = [(0, -200), (0, 800), (1000, 800), (1000, -200)]
    head = struct.pack(">hhhhh", 1, 0, -200, 1000, 800) + struct.pack(">HH", 3, 0)
    xs = ys = b""
    x = y = 0
    for px, py in points:
        xs += struct.pack(">h", px - x)
        ys += struct.pack(">h", py - y)
        x, y = px, py
    return head + bytes([1] * 4) + xs + ys


square = glyph()
square += b"\0" * (-len(square) % 4)
glyf = square + square
cmap4 = struct.pack(">HHHHHHH", 4, 32, 0, 4, 4, 1, 0) + struct.pack(">HHH", 65, 0xFFFF, 0) + \
    struct.pack(">HH", 65, 0xFFFF) + struct.pack(">hh", 1 - 65, 1) + struct.pack(">HH", 0, 0)
cmap = struct.pack(">HHHHI", 0, 1, 3, 1, 12) + cmap4
names = [(1, "Square"), (2, "Regular"), (4, "Square Regular"), (6, "Square-Regular")]
text, records = b"", b""
for number, value in names:
    data = value.encode("utf-16-be")
    records += struct.pack(">HHHHHH", 3, 1, 0x409, number, len(data), len(text))
    text += data
name = struct.pack(">HHH", 0, len(names), 6 + len(records)) + records + text
tables = {
    b"OS/2": struct.pack(">HhHHHhhhhhhhhhhh", 4, 1000, 400, 5, 0, 500, 500, 0, 0, 500, 500, 0, 0, 50, 300, 0)
    + bytes(10) + struct.pack(">IIII", 1, 0, 0, 0) + b"NONE" + struct.pack(">HHHhhhHH", 0x40, 65, 65, 800, -200, 0, 800, 200)
    + struct.pack(">II", 1, 0) + struct.pack(">hhHHH", 500, 700, 0, 32, 1),
    b"cmap": cmap,
    b"glyf": glyf,
    b"head": struct.pack(">IIIIHHQQhhhhHHhhh", 0x10000, 0x10000, 0, 0x5F0F3CF5, 3, 1000, 0, 0, 0, -200, 1000, 800, 0, 8,
                         2, 1, 0),
    b"hhea": struct.pack(">IhhhHhhhhhhhhhhhH", 0x10000, 800, -200, 0, 1000, 0, 0, 1000, 1, 0, 0, 0, 0, 0, 0, 0, 2),
    b"hmtx": struct.pack(">HhHh", 1000, 0, 1000, 0),
    b"loca": struct.pack(">III", 0, len(square), 2 * len(square)),
    b"maxp": struct.pack(">IHHHHHHHHHHHHHH", 0x10000, 2, 4, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0),
    b"name": name,
    b"post": struct.pack(">IIhhIIIII", 0x30000, 0, -100, 50, 0, 0, 0, 0, 0),
}


def checksum(data):
    data += b"\0" * (-len(data) % 4)
    return sum(struct.unpack(">%dI" % (len(data) // 4), data)) & 0xFFFFFFFF


count = len(tables)
offset = 12 + 16 * count
directory, body = b"", b""
for tag in sorted(tables):
    data = tables[tag]
    directory += tag + struct.pack(">III", checksum(data), offset + len(body), len(data))
    body += data + b"\0" * (-len(data) % 4)
font = bytearray(struct.pack(">IHHHH", 0x10000, count, 128, 3, count * 16 - 128) + directory + body)
at = offset
for tag in sorted(tables):
    if tag == b"head":
        struct.pack_into(">I", font, at + 8, (0xB1B0AFBA - checksum(bytes(font))) & 0xFFFFFFFF)
    at += (len(tables[tag]) + 3) // 4 * 4
open(sys.argv[1], "wb").write(font)
