"""The offloading problem for one learner: a controller of the whole cluster (Gymnasium)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium.error import ResetNeeded

from octogym.cluster.backend import Backend, Policy
from octogym.cluster.offloading.layout import TOP_K
from octogym.cluster.scenario import Scenario
from octogym.envs.offload.core import OffloadCore
from octogym.envs.offload.problem import HISTORY
from octogym.envs.offload.render import RENDER_FPS, OffloadRenderer
from octogym.envs.over_core import OverCore, check_single
from octogym.envs.render import RENDER_MODES


class OffloadCentralEnv(OverCore, gymnasium.Env[np.ndarray, np.ndarray]):
    """
    ## Description

    `offload_v0` (see `octogym.envs.offload_v0` for the problem) with one controller of the whole cluster. The
    observation is `offload_v0`'s `state()`, the action all agents' actions one after the other, `Box(-1, 1, (N T,))`,
    the reward the team's. Infos hold arrays over the agents.

    ## Arguments

    ```python
    gymnasium.make("octogym:octogym/OffloadCentral-v0", scenario="campus-8")
    ```

    As `offload_v0.parallel_env`.

    ## Version History

    - v0: Initial version.
    """

    _core: OffloadCore
    metadata: dict[str, Any] = {  # noqa: RUF012 (declared so by Gymnasium)
        "render_modes": RENDER_MODES,
        "render_fps": RENDER_FPS,
    }

    def __init__(
        self,
        scenario: str | Scenario | None = None,
        backend: str | Backend = "sim",
        horizon: float | None = None,
        render_mode: str | None = None,
        *,
        interrupt: bool = True,
        top_k: int = TOP_K,
        history: int = HISTORY,
        others: str | Policy | None = None,
        results_per_s: float | None = None,
        randomise: Mapping[str, Any] | None = None,
    ) -> None:
        rest = (interrupt, top_k, history, others, results_per_s, randomise)
        core = self._core = OffloadCore(scenario, backend, 1, horizon, *rest)
        check_single(core.E)
        self.render_mode = render_mode
        self._renderer = OffloadRenderer(core, render_mode)
        self.observation_space, self.action_space = core.problem.state_space(), core.problem.action_space(core.N)
        self._over = True

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode; `options` as in `offload_v0`."""
        super().reset(seed=seed)
        frame = self._core.reset(seed, options=options)
        self._over = False
        if self.render_mode == "human":
            self.render()
        return frame.state()[0], frame.central_info(0)

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """One step, up to 15 s.

        Raises:
            ValueError: the action has the wrong shape or type, or a value out of range.
            gymnasium.error.ResetNeeded: no episode is running.
        """
        if self._over:
            raise ResetNeeded("step: no episode is running; call reset() first")
        core, action = self._core, np.asarray(action)
        if action.shape != (core.N * core.T,):
            raise ValueError(f"action of shape {action.shape}; allowed: {(core.N * core.T,)}")
        core.decide(action.reshape(1, core.N, core.T))
        frame = core.advance()
        self._over = bool(frame.truncated[0])
        if self.render_mode == "human":
            self.render()
        return frame.state()[0], float(frame.team[0]), False, self._over, frame.central_info(0)

    def render(self) -> Any:
        return self._renderer.render()

    def close(self) -> None:
        self._core.close()
