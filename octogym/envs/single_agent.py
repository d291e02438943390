"""The batching problem for one learner: one named agent, or one controller of the whole cluster (Gymnasium)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded

from octogym.cluster.backend import Backend, Policy
from octogym.cluster.scenario import Scenario
from octogym.envs.core import BatchingCore
from octogym.envs.custom import Observation, Reward
from octogym.envs.over_core import OverCore, check_single
from octogym.envs.render import RENDER_FPS, RENDER_MODES, Renderer
from octogym.envs.rows import Rows


class _OneRow(OverCore, gymnasium.Env[np.ndarray, np.ndarray]):
    """One environment, one row."""

    _core: BatchingCore
    metadata: dict[str, Any] = {  # noqa: RUF012 (declared so by Gymnasium)
        "render_modes": RENDER_MODES,
        "render_fps": RENDER_FPS,
    }

    def __init__(self, core: BatchingCore, rows: Rows, render_mode: str | None) -> None:
        check_single(core.E)
        self._core, self._rows, self.render_mode = core, rows, render_mode
        self._renderer = Renderer(core, render_mode)
        self.observation_space, self.action_space = rows.observation_space, rows.action_space
        self._over = True

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin an episode; `options` as in `batching_v0`."""
        super().reset(seed=seed)
        frame = self._core.reset(seed, options=options)
        if self._rows.others is not None:
            self._rows.others.reset(seed)
        self._over = False
        if self.render_mode == "human":
            self.render()
        return self._rows.observation(frame)[0], self._rows.info(frame, 0)

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """One control window.

        Raises:
            ValueError: the action has the wrong shape or type, or an index out of range.
            gymnasium.error.ResetNeeded: no episode is running.
        """
        if self._over:
            raise ResetNeeded("step: no episode is running; call reset() first")
        rows = self._rows
        rows.act(np.asarray(action)[None])
        frame = self._core.advance()
        if rows.others is not None:
            rows.others.learn(frame)
        self._over = frame.truncated is not None
        if self.render_mode == "human":
            self.render()
        return rows.observation(frame)[0], float(rows.reward(frame)[0]), False, self._over, rows.info(frame, 0)

    def render(self) -> Any:
        return self._renderer.render()

    def close(self) -> None:
        self._core.close()

    def action_masks(self) -> np.ndarray:
        """bool [sum of head sizes]: which indices this row has; what maskable learners ask for."""
        return self._rows.action_masks()[0].astype(bool)


class BatchingEnv(_OneRow):
    """
    ## Description

    `batching_v0` (see `octogym.envs.batching_v0` for the problem, its spaces, reward and infos) with one learning
    agent. A policy decides for all other instances.

    ## Arguments

    ```python
    gymnasium.make("octogym:octogym/Batching-v0", scenario="traffic-2", agent="cam-1/traffic.yolov5n", others="static")
    ```

    - `agent`: the learning instance's id; the scenario's first if None.
    - `others`: a policy's name (`octogym.make_policy`), a `Policy`, or None (nobody decides for them).
    - the rest as `batching_v0.parallel_env`.

    ## Version History

    - v0: Initial version.
    """

    def __init__(
        self,
        scenario: str | Scenario | None = None,
        agent: str | None = None,
        others: str | Policy | None = "static",
        backend: str | Backend = "sim",
        horizon: float | None = None,
        render_mode: str | None = None,
        *,
        homogeneous: bool = False,
        rate: str = "fresh",
        reward: Reward | None = None,
        observation: Observation | None = None,
        observation_space: spaces.Box | None = None,
        randomise: Mapping[str, Any] | None = None,
    ) -> None:
        custom = (reward, observation, observation_space, homogeneous, randomise)
        core = BatchingCore(scenario, backend, 1, horizon, rate, *custom)
        super().__init__(core, Rows(core, "envs", agent, others), render_mode)


class BatchingCentralEnv(_OneRow):
    """
    ## Description

    `batching_v0` with one controller of the whole cluster: all agents' observations one after the other, all their
    actions in one `MultiDiscrete` (pack, batch, threads of the first agent, then of the second ...). The reward is
    the mean of the rewards of the instances whose devices are there. Infos hold arrays over the agents.

    ## Arguments

    ```python
    gymnasium.make("octogym:octogym/BatchingCentral-v0", scenario="traffic-2")
    ```

    As `batching_v0.parallel_env`.

    ## Version History

    - v0: Initial version.
    """

    def __init__(
        self,
        scenario: str | Scenario | None = None,
        backend: str | Backend = "sim",
        horizon: float | None = None,
        render_mode: str | None = None,
        *,
        homogeneous: bool = False,
        rate: str = "fresh",
        reward: Reward | None = None,
        observation: Observation | None = None,
        observation_space: spaces.Box | None = None,
        randomise: Mapping[str, Any] | None = None,
    ) -> None:
        custom = (reward, observation, observation_space, homogeneous, randomise)
        core = BatchingCore(scenario, backend, 1, horizon, rate, *custom)
        super().__init__(core, Rows(core, "central"), render_mode)
