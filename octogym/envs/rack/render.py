"""What `rack_v0` shows: a row per instance, then a row per camera device."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from octogym.envs.offload.render import device_rows, text_picture
from octogym.envs.render import Renderer
from octogym.envs.shown import Shown

if TYPE_CHECKING:
    from octogym.envs.rack.core import RackCore


class RackRenderer(Shown):
    """`batching_v0`'s table and picture, and below it who sends crops where."""

    _core: RackCore

    def __init__(self, core: RackCore, mode: str | None) -> None:
        super().__init__(core, mode)
        self._instances = Renderer(core.batching, mode)

    def devices(self, e: int) -> str:
        """The offloading half as text."""
        core, frame = self._core, self._core.frame
        assert frame is not None
        turn = frame.turn
        due = "shares are due" if turn["due"] else f"shares are due in {turn['wait_s']:.0f} s"
        end = ", after an overload" if turn["interrupted"] else ""
        team = f"reward {turn['team_reward']:.3f} in {turn['since_s']:.0f} s"
        return "\n".join([f"{due}{end}  {team}", *device_rows(core.problem.layout, frame.values, e)]) + "\n"

    def table(self, e: int) -> str:
        return self._instances.table(e) + "\n" + self.devices(e)

    def picture(self, e: int) -> np.ndarray:
        above, below = self._instances.picture(e), text_picture(self.devices(e))
        width = max(above.shape[1], below.shape[1])
        return np.concatenate([_widened(above, width), _widened(below, width)])


def _widened(image: np.ndarray, width: int) -> np.ndarray:
    """The image with its last column repeated up to `width`."""
    return np.pad(image, ((0, 0), (0, width - image.shape[1]), (0, 0)), "edge")
