"""pixels.py FILE X,Y... [size]: colours of a PNG, decoded without any library."""
import struct
import sys
import zlib

data = open(sys.argv[1], "rb").read()
assert data[:8] == b"\x89PNG\r\n\x1a\n"
pos, packed = 8, b""
while pos < len(data):
    length, kind = struct.unpack(">I4s", data[pos:pos + 8])
    body = data[pos + 8:pos + 8 + length]
    if kind == b"IHDR":
        width, height, depth, colour, _, _, lace = struct.unpack(">IIBBBBB", body)
        assert depth == 8 and colour in (2, 6) and lace == 0
    elif kind == b"IDAT":
        packed += body
    pos += 12 + length
n = 3 if colour == 2 else 4
raw, stride, rows, above = zlib.decompress(packed), width * n, [], bytes(width * n)
for y in range(height):
    start = y * (stride + 1)
    how, line = raw[start], bytearray(raw[start + 1:start + 1 + stride])
    for i in range(stride):
        a = line[i - n] if i >= n else 0
        b = above[i]
        c = above[i - n] if i >= n else 0
        if how == 1:
            line[i] = (line[i] + a) & 255
        elif how == 2:
            line[i] = (line[i] + b) & 255
        elif how == 3:
            line[i] = (line[i] + (a + b) // 2) & 255
        elif how == 4:
            p = a + b - c
            pa, pb, pc = abs(p - a), abs(p - b), abs(p - c)
            line[i] = (line[i] + (a if pa <= pb and pa <= pc else b if pb <= pc else c)) & 255
    rows.append(line)
    above = line
out = []
for word in sys.argv[2:]:
    if word == "size":
        out.append("%dx%d" % (width, height))
    else:
        x, y = map(int, word.split(","))
        out.append(rows[y][x * n:x * n + 3].hex())
print(" ".join(out))
