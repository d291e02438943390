"""What the offloading environments show: a table in the terminal, or the same as a picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

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
        width = max(6, *map(len, core.agents))
        out = [
            f"{core.scenario.name}  t = {v['t_s'][e]:.0f} s of {core.horizon_s:.0f} s  step {v['window_s'][e]:.0f} s"
            f"{end}  {on_time}  reward {frame.team[e]:.3f}",
            f"{'device':<{width}}  demand    load / capacity {'':<{_BAR}}  crops go to",
        ]
        for n, name in enumerate(core.agents):
            if not v["present"][e, n]:
                out.append(f"{name:<{width}}  away")
                continue
            load, capacity = v["load"][e, n], v["capacity"][e, n]
            full = round(_BAR * min(load / capacity, 1.0))
            bar = "#" * full + "." * (_BAR - full)
            parts = zip(core.layout.names(n), v["shares"][e, n], strict=True)
            goes = "  ".join(f"{'own' if t == 0 else to} {x:.0%}" for t, (to, x) in enumerate(parts) if x > 0)
            out.append(
                f"{name:<{width}}  {v['demand'][e, n]:6.0f}  {load:6.0f} / {capacity:<8.0f} {bar}  {goes}"
                + ("  OVERLOAD" if v["overloaded"][e, n] else "")
            )
        return "\n".join(out) + "\n"

    def picture(self, e: int) -> np.ndarray:
        """The table as a picture, uint8 [H, W, 3]; lines that are too long are cut."""
        lines = self.table(e).splitlines()
        cell = text_mask("x", _SCALE).shape[1]
        image = np.empty((2 * _MARGIN + len(lines) * _ROW, 2 * _MARGIN + _COLUMNS * cell, 3), np.uint8)
        image[:] = _PAPER
        for row, line in enumerate(lines):
            mask = text_mask(line[:_COLUMNS], _SCALE)
            y = _MARGIN + row * _ROW
            image[y : y + mask.shape[0], _MARGIN : _MARGIN + mask.shape[1]][mask] = _INK
        return image
