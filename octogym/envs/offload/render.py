"""What the offloading environments show: a table in the terminal, or the same as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from octogym.cluster.offloading.layout import OffloadLayout
from octogym.envs.bitmap_font import text_mask
from octogym.envs.shown import Shown

if TYPE_CHECKING:
    from octogym.envs.offload.core import OffloadCore

#: Steps a second at which a recorded episode is shown; a step is up to 15 s of cluster time.
RENDER_FPS = 2
_PAPER, _INK = np.array([250, 250, 247], np.uint8), np.array([38, 42, 51], np.uint8)
_SCALE, _ROW, _MARGIN, _COLUMNS = 2, 24, 16, 118
_BAR = 10


class OffloadRenderer(Shown):
    """The offloading environments: a row per camera device."""

    _core: OffloadCore

    def table(self, e: int) -> str:
        """The cluster as text: demand, load and capacity in crops/s per agent, and where its crops go."""
        core, frame = self._core, self._core.frame
        assert frame is not None
        v = frame.values
        left = sum(int(v["results_" + name][e]) for name in ("on_time", "late", "dropped", "missed", "lost"))
        on_time = f"{v['results_on_time'][e] / left:.0%} on time" if left else "no results"
        end = ", ended by overload" if v["interrupted"][e] else ""
        heading = (
            f"{core.scenario.name}  t = {v['t_s'][e]:.0f} s of {core.horizon_s:.0f} s  step {v['window_s'][e]:.0f} s"
            f"{end}  {on_time}  reward {frame.team[e]:.3f}"
        )
        return "\n".join([heading, *device_rows(core.layout, v, e)]) + "\n"

    def picture(self, e: int) -> np.ndarray:
        """The table as a picture, uint8 [H, W, 3]; lines that are too long are cut."""
        return text_picture(self.table(e))


def device_rows(layout: OffloadLayout, values: Mapping[str, np.ndarray], e: int) -> list[str]:
    """A heading and a row per agent's device: demand, load and capacity in crops/s, and where its crops go. `values`
    as in an `OffloadFrame`, of environment `e`."""
    width = max(6, *map(len, layout.agents))
    rows = [f"{'device':<{width}}  demand    load / capacity {'':<{_BAR}}  crops go to"]
    for n, name in enumerate(layout.agents):
        if not values["present"][e, n]:
            rows.append(f"{name:<{width}}  away")
            continue
        load, capacity = values["load"][e, n], values["capacity"][e, n]
        full = round(_BAR * min(load / capacity, 1.0))
        bar = "#" * full + "." * (_BAR - full)
        parts = zip(layout.names(n), values["shares"][e, n], strict=True)
        goes = "  ".join(f"{'own' if t == 0 else to} {x:.0%}" for t, (to, x) in enumerate(parts) if x > 0)
        rows.append(
            f"{name:<{width}}  {values['demand'][e, n]:6.0f}  {load:6.0f} / {capacity:<8.0f} {bar}  {goes}"
            + ("  OVERLOAD" if values["overloaded"][e, n] else "")
        )
    return rows


def text_picture(text: str) -> np.ndarray:
    """Text as a picture, uint8 [H, W, 3]; lines that are too long are cut."""
    lines = text.splitlines()
    cell = text_mask("x", _SCALE).shape[1]
    image = np.empty((2 * _MARGIN + len(lines) * _ROW, 2 * _MARGIN + _COLUMNS * cell, 3), np.uint8)
    image[:] = _PAPER
    for row, line in enumerate(lines):
        mask = text_mask(line[:_COLUMNS], _SCALE)
        y = _MARGIN + row * _ROW
        image[y : y + mask.shape[0], _MARGIN : _MARGIN + mask.shape[1]][mask] = _INK
    return image
