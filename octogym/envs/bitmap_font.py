"""A 5 x 9 bitmap font, drawn for the pictures of `render` so that they need no drawing library.

Each glyph is up to nine rows from the top, five bits each, the left pixel the highest bit; the base line is under the
seventh.
"""

from __future__ import annotations

import numpy as np

WIDTH, HEIGHT, BASE = 5, 9, 7

# One glyph per line: the character, then its rows.
_GLYPHS = """
0 14 17 19 21 25 17 14
1 4 12 4 4 4 4 14
2 14 17 1 6 8 16 31
3 30 1 1 14 1 1 30
4 2 6 10 18 31 2 2
5 31 16 30 1 1 17 14
6 6 8 16 30 17 17 14
7 31 1 2 4 8 8 8
8 14 17 17 14 17 17 14
9 14 17 17 15 1 2 12
A 14 17 17 31 17 17 17
B 30 17 17 30 17 17 30
C 14 17 16 16 16 17 14
D 28 18 17 17 17 18 28
E 31 16 16 30 16 16 31
F 31 16 16 30 16 16 16
G 14 17 16 23 17 17 15
H 17 17 17 31 17 17 17
I 14 4 4 4 4 4 14
J 7 2 2 2 2 18 12
K 17 18 20 24 20 18 17
L 16 16 16 16 16 16 31
M 17 27 21 21 17 17 17
N 17 25 21 21 19 17 17
O 14 17 17 17 17 17 14
P 30 17 17 30 16 16 16
Q 14 17 17 17 21 18 13
R 30 17 17 30 20 18 17
S 15 16 16 14 1 1 30
T 31 4 4 4 4 4 4
U 17 17 17 17 17 17 14
V 17 17 17 17 17 10 4
W 17 17 17 21 21 27 17
X 17 17 10 4 10 17 17
Y 17 17 10 4 4 4 4
Z 31 1 2 4 8 16 31
a 0 0 14 1 15 17 15
b 16 16 30 17 17 17 30
c 0 0 15 16 16 16 15
d 1 1 15 17 17 17 15
e 0 0 14 17 31 16 14
f 6 8 28 8 8 8 8
g 0 0 15 17 17 17 15 1 14
h 16 16 30 17 17 17 17
i 4 0 12 4 4 4 14
j 2 0 6 2 2 2 2 18 12
k 16 16 18 20 24 20 18
l 12 4 4 4 4 4 14
m 0 0 26 21 21 21 21
n 0 0 30 17 17 17 17
o 0 0 14 17 17 17 14
p 0 0 30 17 17 17 30 16 16
q 0 0 15 17 17 17 15 1 1
r 0 0 22 24 16 16 16
s 0 0 15 16 14 1 30
t 8 8 28 8 8 9 6
u 0 0 17 17 17 19 13
v 0 0 17 17 17 10 4
w 0 0 17 17 21 21 10
x 0 0 17 10 4 10 17
y 0 0 17 17 17 17 15 1 14
z 0 0 31 2 4 8 31
. 0 0 0 0 0 12 12
, 0 0 0 0 0 12 4 8
: 0 12 12 0 12 12 0
- 0 0 0 31 0 0 0
_ 0 0 0 0 0 0 0 31
/ 1 1 2 4 8 16 16
# 10 10 31 10 31 10 10
@ 14 17 23 21 23 16 14
% 24 25 2 4 8 19 3
( 2 4 8 8 8 4 2
) 8 4 2 2 2 4 8
+ 0 4 4 31 4 4 0
= 0 0 31 0 31 0 0
* 0 21 14 31 14 21 0
? 14 17 1 2 4 0 4
"""


def _table() -> np.ndarray:
    """bool [128, 9, 5]; characters without a glyph show as an empty box, the space as nothing."""
    box = np.zeros((HEIGHT, WIDTH), bool)
    box[[0, BASE - 1]] = True
    box[:BASE, [0, -1]] = True
    table = np.repeat(box[None], 128, 0)
    table[ord(" ")] = False
    for line in _GLYPHS.split("\n"):
        if line:
            rows = np.array([int(row) for row in line.split()[1:]])
            table[ord(line[0])] = False
            table[ord(line[0]), : len(rows)] = rows[:, None] >> np.arange(WIDTH - 1, -1, -1) & 1
    return table


_TABLE = _table()


def text_mask(text: str, scale: int = 1) -> np.ndarray:
    """bool [9 * scale, 6 * scale * len(text)]: True where the text has ink; one empty column after each character."""
    codes = [min(ord(character), 127) for character in text]
    cells = np.zeros((len(codes), HEIGHT, WIDTH + 1), bool)
    cells[:, :, :WIDTH] = _TABLE[codes]
    line = cells.transpose(1, 0, 2).reshape(HEIGHT, -1)
    return line.repeat(scale, 0).repeat(scale, 1)
