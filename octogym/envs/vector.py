"""The batching problem as a `gymnasium.vector.VectorEnv`: all rows in one call to the backend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode

from octogym.cluster.backend import Backend, Policy, Seed
from octogym.cluster.scenario import Scenario
from octogym.envs.clusters import ClusterVectorEnv, no_terminal
from octogym.envs.core import BatchingCore
from octogym.envs.custom import Observation, Reward
from octogym.envs.frame import Frame
from octogym.envs.lazy import LazyDict
from octogym.envs.render import RENDER_FPS, RENDER_MODES, Renderer
from octogym.envs.rows import Rows, Stacked


class BatchingVectorEnv(ClusterVectorEnv):
    """
    ## Description

    `batching_v0` (see `octogym.envs.batching_v0`), E clusters at once. Environment e uses seed + e. All rows of a
    cluster are truncated together.

    ## Arguments

    ```python
    gymnasium.make_vec("octogym:octogym/Batching-v0", num_envs=256, vectorization_mode="vector_entry_point",
                       scenario="traffic-2", rows="agents")
    ```

    - `num_envs`: number of clusters E. With `rows="agents"` the environment's own `num_envs` is E times the
      scenario's agents.
    - `rows`: `"envs"`: row e is `agent` (the first if None) of cluster e, a policy `others` decides for the rest.
      `"agents"`: row e * A + i is agent i of cluster e; all share the scenario's largest action space
      (`homogeneous`). `"central"`: row e is a controller of the whole cluster e.
    - `autoreset_mode`: `NEXT_STEP` (Gymnasium's default: the step after a truncation ignores its action, returns the
      new episode's first observation and reward 0), `SAME_STEP` (`infos["final_obs"]`, `infos["final_info"]`), or
      `DISABLED` (`reset(options={"reset_mask": bool [num_envs]})`).
    - `threads`: CPU threads of the simulator.
    - `render_mode`: None, `"ansi"` or `"rgb_array"`: one text or picture per cluster.
    - the rest as `batching_v0.parallel_env`; callables see arrays [E, A, ...].

    Infos are arrays over rows, with `_key` masks. In the last step of an episode they hold `figures`.

    ## Version History

    - v0: Initial version.
    """

    _core: BatchingCore
    metadata: dict[str, Any] = {  # noqa: RUF012 (declared so by Gymnasium)
        "render_modes": RENDER_MODES[1:],
        "render_fps": RENDER_FPS,
        "autoreset_mode": AutoresetMode.NEXT_STEP,
    }

    def __init__(
        self,
        num_envs: int = 1,
        scenario: str | Scenario | None = None,
        rows: str = "envs",
        agent: str | None = None,
        others: str | Policy | None = "static",
        backend: str | Backend = "sim",
        horizon: float | None = None,
        render_mode: str | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        *,
        threads: int = 1,
        homogeneous: bool | None = None,
        rate: str = "fresh",
        reward: Reward | None = None,
        observation: Observation | None = None,
        observation_space: spaces.Box | None = None,
        randomise: Mapping[str, Any] | None = None,
    ) -> None:
        no_terminal(render_mode)
        shared = rows == "agents" if homogeneous is None else homogeneous
        custom = (reward, observation, observation_space, shared, randomise)
        core = BatchingCore(scenario, backend, num_envs, horizon, rate, *custom, threads)
        self._rows = Rows(core, rows, agent, others, together=True)
        self._core = core
        spaces_of_row = (self._rows.observation_space, self._rows.action_space)
        self._lay_out(self._rows.each, *spaces_of_row, Renderer(core, render_mode), render_mode, autoreset_mode)

    def _begin(self, seed: Seed, mask: np.ndarray | None, options: Mapping[str, Any] | None) -> Frame:
        frame, others = self._core.reset(seed, mask, options), self._rows.others
        if others is not None and (mask is None or mask.all()):
            others.reset(int(seed) if isinstance(seed, (int, np.integer)) else None)
        return frame

    def _act(self, actions: np.ndarray) -> None:
        self._rows.act(actions)

    def _advance(self, restart: np.ndarray | None) -> Frame:
        frame, others = self._core.advance(restart), self._rows.others
        if others is not None:
            others.learn(frame)
            if restart is not None and restart.all():
                others.reset(None)
        return frame

    def _over(self, frame: Frame) -> np.ndarray | None:
        return frame.truncated

    def _observation(self, frame: Frame) -> np.ndarray:
        return self._rows.observation(frame)

    def _reward(self, frame: Frame) -> np.ndarray:
        return self._rows.reward(frame)

    def _infos(self, frame: Frame, about: np.ndarray | None = None) -> LazyDict:
        if about is None:
            return self._rows.infos(frame)[0]
        return LazyDict.of_rows(Stacked(self._rows, frame, about), (0,), ({},))[0]

    def action_masks(self) -> np.ndarray:
        """int8 [num_envs, sum of head sizes]: which indices each row has."""
        return self._rows.action_masks()


class BatchingCentralVectorEnv(BatchingVectorEnv):
    """`BatchingVectorEnv` with `rows="central"`: one controller per cluster."""

    def __init__(self, num_envs: int = 1, scenario: str | Scenario | None = None, **kwargs: Any) -> None:
        super().__init__(num_envs, scenario, "central", **kwargs)
