"""What an environment shows: a table in the terminal, a picture drawn with NumPy alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from octogym.envs import columns as k
from octogym.envs.picture import Line, Picture
from octogym.envs.shown import RENDER_MODES as RENDER_MODES
from octogym.envs.shown import Shown

if TYPE_CHECKING:
    from octogym.envs.core import BatchingCore

#: Steps a second at which a recorded episode is shown; a step is a second of cluster time.
RENDER_FPS = 10
_BLOCKS = " ▏▎▍▌▋▊▉█"
_QUEUE_SHOWN = 100.0
_SHOWN = {"Q1": k.QUEUES, "Q3": k.QUEUES + 2, "Q4": k.QUEUES + 3}


class Renderer(Shown):
    """The batching environments: a row per instance."""

    _core: BatchingCore

    def lines(self, e: int) -> list[Line]:
        frame = self._core.frame
        assert frame is not None
        counts = frame.values[e, :-1]
        left = counts[:, [k.COMPLETED, k.DROPPED_FULL, k.DROPPED_LATE, k.FAILED, k.LOST]].sum(1)
        lines = []
        for s, name in enumerate(self._core.agents):
            c = counts[s].tolist()
            share = c[k.ON_TIME] / float(left[s]) if left[s] else float("nan")
            queues = tuple(int(c[column]) for column in _SHOWN.values())
            settings = (int(c[k.PACK]), int(c[k.BATCH]), int(c[k.PRE]), int(c[k.POST]))
            flags = (bool(c[k.PRESENT]), bool(c[k.ACTIVE]))
            lines.append(Line(name, *flags, *settings, c[k.RATE], queues, c[k.LATENCY_NS] / 1e6, share))
        return lines

    def heading(self, e: int) -> tuple[str, float, float]:
        """One line about the cluster, the passed share of the episode, the share of the window's results in time."""
        core, frame = self._core, self._core.frame
        assert frame is not None
        sums = [int(x) for x in frame.values[e, -1, : k.SUMS]]
        served = sums[k.RESULTS_ON_TIME] + sums[k.RESULTS_LATE]
        gone = served + sums[k.RESULTS_DROPPED] + sums[k.RESULTS_MISSED] + sums[k.RESULTS_LOST]
        text = (
            f"{core.scenario.name}  t = {sums[k.T_NS] / 1e9:.0f} s of {core.horizon_s:.0f} s  {served} results/window, "
            f"{sums[k.IN_FLIGHT]} in flight, {sums[k.OVERDUE]} overdue"
        )
        passed = float(core.clock[e]) / core.horizon
        return text, min(passed, 1.0), sums[k.RESULTS_ON_TIME] / gone if gone else float("nan")

    def table(self, e: int) -> str:
        """The cluster as text, one line per instance."""
        text, _, share = self.heading(e)
        lines = self.lines(e)
        width = max(len(line.name) for line in lines)
        queues = "".join(f" {name:<9}" for name in _SHOWN)
        out = [
            text + ("" if np.isnan(share) else f", {share:.0%} on time"),
            f"{'instance':<{width}}  pack batch threads   rate/s {queues} latency  on time",
        ]
        for line in lines:
            if not line.present:
                out.append(f"{line.name:<{width}}  away")
                continue
            bars = "".join(f" {_bar(q / _QUEUE_SHOWN, 4)} {q:<4}" for q in line.queues)
            share_text = "    -" if np.isnan(line.on_time) else f"{line.on_time:5.0%}"
            out.append(
                f"{line.name:<{width}}  {line.pack:4} {line.batch:5}     {line.pre}+{line.post} {line.rate:8.1f} "
                f"{bars} "
                f"{line.latency_ms:4.0f} ms  {_bar(0.0 if np.isnan(line.on_time) else line.on_time, 8)} {share_text}"
                + ("" if line.active else "  inactive")
            )
        return "\n".join(out) + "\n"

    def picture(self, e: int) -> np.ndarray:
        """The cluster as a picture, uint8 [H, W, 3], one row per instance."""
        text, passed, share = self.heading(e)
        lines = self.lines(e)
        return Picture(max(len(line.name) for line in lines), len(lines), tuple(_SHOWN)).draw(
            text, passed, share, lines
        )


def _bar(share: float, cells: int) -> str:
    eighths = round(min(max(share, 0.0), 1.0) * cells * 8)
    full, rest = divmod(eighths, 8)
    return (_BLOCKS[8] * full + (_BLOCKS[rest] if full < cells else "")).ljust(cells)
