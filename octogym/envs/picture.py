"""Draws the state of a cluster: a row per instance with settings, rate, queues, latency and share in time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from octogym.envs.bitmap_font import BASE, WIDTH, text_mask

Colour = tuple[int, int, int]
PAPER: Colour = (250, 250, 247)
STRIPE: Colour = (241, 241, 236)
INK: Colour = (38, 42, 51)
FAINT: Colour = (150, 154, 160)
TROUGH: Colour = (222, 223, 219)
GOOD, FAIR, POOR = (46, 139, 106), (222, 160, 44), (199, 70, 58)
CALM: Colour = (74, 116, 173)
_SCALE, _ROW, _MARGIN = 2, 24, 16
_CHAR = (WIDTH + 1) * _SCALE
_QUEUE_WIDTH, _SHARE_WIDTH = 70, 130
_TOP = 92


class Line(NamedTuple):
    """One instance in one window. `on_time`: share of the leaving requests that left in good time, NaN if none."""

    name: str
    present: bool
    active: bool
    pack: int
    batch: int
    pre: int
    post: int
    rate: float
    queues: tuple[int, ...]
    latency_ms: float
    on_time: float


def _share_colour(share: float) -> Colour:
    return GOOD if share >= 0.9 else FAIR if share >= 0.6 else POOR


class Picture:
    """Canvas and columns for instances with names of up to `name_width` characters. Queue bars are full at 100."""

    def __init__(self, name_width: int, rows: int, queues: Sequence[str]) -> None:
        self._queues = tuple(queues)
        self._x: dict[str, int] = {}
        x = _MARGIN
        columns = [
            ("instance", max(name_width, 8) * _CHAR),
            ("pack", 4 * _CHAR),
            ("batch", 5 * _CHAR),
            ("pre+post", 8 * _CHAR),
        ]
        columns += [("rate/s", 7 * _CHAR), *[(q, _QUEUE_WIDTH) for q in queues], ("latency", 7 * _CHAR)]
        for name, width in [*columns, ("on time", _SHARE_WIDTH)]:
            self._x[name] = x
            x += width + 14
        width = max(x - 14 + _MARGIN, 76 * _CHAR)
        self._image = np.empty((_TOP + rows * _ROW + _MARGIN, width, 3), np.uint8)
        self._image[:] = PAPER

    def draw(self, heading: str, passed: float, share: float, lines: Sequence[Line]) -> np.ndarray:
        """uint8 [H, W, 3]. `passed`: share of the episode; `share`: of the window's results in time."""
        right = self._image.shape[1] - _MARGIN
        self._text(_MARGIN, 14, heading, INK)
        self._bar(_MARGIN, 40, right - _MARGIN, 6, passed, CALM)
        if not np.isnan(share):
            self._text_right(right, 14, f"{100 * share:.0f}% on time", _share_colour(share))
        for name, x in self._x.items():
            self._text(x, _TOP - 26, name, FAINT)
        for row, line in enumerate(lines):
            self._row(_TOP + row * _ROW, row, line)
        return self._image

    def _row(self, y: int, row: int, line: Line) -> None:
        if row % 2 == 0:
            self._image[y : y + _ROW, _MARGIN // 2 : -_MARGIN // 2] = STRIPE
        y, x = y + (_ROW - BASE * _SCALE) // 2, self._x
        self._text(x["instance"], y, line.name, INK if line.present and line.active else FAINT)
        if not line.present:
            self._text(x["pack"], y, "away", POOR)
            return
        ink = INK if line.active else FAINT
        self._text_right(x["pack"] + 4 * _CHAR, y, str(line.pack), ink)
        self._text_right(x["batch"] + 5 * _CHAR, y, str(line.batch), ink)
        self._text_right(x["pre+post"] + 8 * _CHAR, y, f"{line.pre}+{line.post}", ink)
        self._text_right(x["rate/s"] + 7 * _CHAR, y, f"{line.rate:.1f}", ink)
        for name, held in zip(self._queues, line.queues, strict=True):
            colour = POOR if held >= 80 else FAIR if held >= 30 else CALM
            self._bar(x[name], y, _QUEUE_WIDTH, BASE * _SCALE, held / 100, colour)
        self._text_right(x["latency"] + 7 * _CHAR, y, f"{line.latency_ms:.0f} ms", ink)
        if not np.isnan(line.on_time):
            colour = _share_colour(line.on_time)
            bar = _SHARE_WIDTH - 5 * _CHAR
            self._bar(x["on time"], y, bar, BASE * _SCALE, line.on_time, colour)
            self._text_right(x["on time"] + _SHARE_WIDTH, y, f"{100 * line.on_time:.0f}%", colour)

    def _bar(self, x: int, y: int, width: int, height: int, share: float, colour: Colour) -> None:
        self._image[y : y + height, x : x + width] = TROUGH
        self._image[y : y + height, x : x + round(width * min(max(share, 0.0), 1.0))] = colour

    def _text(self, x: int, y: int, text: str, colour: Colour) -> None:
        mask = text_mask(text, _SCALE)[:, : max(self._image.shape[1] - x, 0)]
        self._image[y : y + mask.shape[0], x : x + mask.shape[1]][mask] = colour

    def _text_right(self, x: int, y: int, text: str, colour: Colour) -> None:
        self._text(x - len(text) * _CHAR, y, text, colour)
