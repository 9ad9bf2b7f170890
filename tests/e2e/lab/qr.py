"""QR codes as a terminal shows them, and what is in one."""

BLOCKS = {" ": (1, 1), "\u2580": (0, 1), "\u2584": (1, 0), "\u2588": (0, 0)}


def drawn(lines):
    """Rows of modules, 1 for dark, of lines in which half blocks are the light ones; without the white around."""
    rows = [row for line in lines for row in zip(*(BLOCKS[c] for c in line))]
    dark = [y for y, row in enumerate(rows) if any(row)]
    left = min(row.index(1) for row in rows if any(row))
    size = dark[-1] - dark[0] + 1
    assert left >= 2 and dark[0] >= 2 and len(rows) - 1 - dark[-1] >= 2, "there has to be white around"
    assert all(len(row) - left - size >= 2 for row in rows)
    return [list(row[left:left + size]) for row in rows[dark[0]:dark[-1] + 1]]


MASKS = [lambda y, x: (y + x) % 2, lambda y, x: y % 2, lambda y, x: x % 3, lambda y, x: (y + x) % 3,
         lambda y, x: (y // 2 + x // 3) % 2, lambda y, x: y * x % 2 + y * x % 3,
         lambda y, x: (y * x % 2 + y * x % 3) % 2, lambda y, x: ((y + x) % 2 + y * x % 3) % 2]


def read_qr(rows):
    """The text in a QR code (ISO 18004) of one block of bytes, versions 1 to 5 with level L, without damage."""
    n = len(rows)
    assert n in (21, 25, 29, 33, 37), n
    for y, x in ((0, 0), (0, n - 7), (n - 7, 0)):
        assert rows[y][x:x + 7] == [1] * 7 and rows[y + 3][x:x + 7] == [1, 0, 1, 1, 1, 0, 1]
    format_at = [(8, x) for x in (0, 1, 2, 3, 4, 5, 7, 8)] + [(y, 8) for y in (7, 5, 4, 3, 2, 1, 0)]
    bits = int("".join(str(rows[y][x]) for y, x in format_at), 2) ^ 0x5412
    assert bits >> 13 == 1, "level L"
    mask = MASKS[bits >> 10 & 7]

    def is_data(y, x):
        if (y < 9 and (x < 9 or x >= n - 8)) or (y >= n - 8 and x < 9) or 6 in (x, y):
            return False
        return n == 21 or abs(y - (n - 7)) > 2 or abs(x - (n - 7)) > 2

    stream, up = [], True
    for right in [*range(n - 1, 6, -2), 5, 3, 1]:
        for y in range(n - 1, -1, -1) if up else range(n):
            stream += [rows[y][x] ^ (mask(y, x) == 0) for x in (right, right - 1) if is_data(y, x)]
        up = not up
    text = "".join(str(int(bit)) for bit in stream)
    assert text[:4] == "0100", "bytes"
    length = int(text[4:12], 2)
    return bytes(int(text[i:i + 8], 2) for i in range(12, 12 + 8 * length, 8)).decode()
