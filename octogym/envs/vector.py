"""The batching problem as a `gymnasium.vector.VectorEnv`: all rows in one call to the backend."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from octogym.cluster.backend import Backend, Policy, Seed
from octogym.cluster.scenario import Scenario
from octogym.envs.core import BatchingCore
from octogym.envs.custom import Observation, Reward
from octogym.envs.frame import Frame
from octogym.envs.lazy import LazyDict
from octogym.envs.remade import Remade
from octogym.envs.render import RENDER_FPS, RENDER_MODES, Renderer
from octogym.envs.rows import Rows, Stacked


class BatchingVectorEnv(Remade, VectorEnv[np.ndarray, np.ndarray, np.ndarray]):
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
        if render_mode == "human":
            raise ValueError(f"render_mode = 'human'; allowed: None, {', '.join(map(repr, RENDER_MODES[1:]))}")
        self._mode = AutoresetMode(autoreset_mode)
        self.metadata = {**type(self).metadata, "autoreset_mode": self._mode}
        shared = rows == "agents" if homogeneous is None else homogeneous
        custom = (reward, observation, observation_space, shared, randomise)
        core = BatchingCore(scenario, backend, num_envs, horizon, rate, *custom, threads)
        self._rows = Rows(core, rows, agent, others)
        self._core, self.render_mode = core, render_mode
        self._renderer = Renderer(core, render_mode)
        self.num_envs = self._rows.count
        self.single_observation_space = self._rows.observation_space
        self.single_action_space = self._rows.action_space
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._ended = self._nobody = np.zeros(core.E, bool)

    @property
    def scenario(self) -> Scenario:
        return self._core.scenario

    @property
    def backend(self) -> Backend:
        return self._core.backend

    def reset(self, *, seed: Seed = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin new episodes: in all clusters, or with `options={"reset_mask": bool [num_envs]}` in those whose rows
        are marked.

        `seed`: an integer (cluster e gets seed + e), one per cluster, or None (the random sequences go on).

        Raises:
            ValueError: an unknown option, or a mask that marks some rows of a cluster only, or none.
        """
        super().reset(seed=seed if isinstance(seed, int) else None)
        options = dict(options or {})
        mask, about = None, None
        if "reset_mask" in options:
            about = _row_mask(options.pop("reset_mask"), self.num_envs)
            mask = clusters_of(about, self._rows)
        frame = self._core.reset(seed, mask, options)
        self._ended = self._nobody if mask is None else self._ended & ~mask
        if self._rows.others is not None and (mask is None or mask.all()):
            self._rows.others.reset(int(seed) if isinstance(seed, (int, np.integer)) else None)
        return self._rows.observation(frame), self._infos(frame, about)

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """One control window of all clusters.

        Raises:
            ValueError: `actions` have the wrong shape or type, or an index out of range.
            gymnasium.error.ResetNeeded: there is no episode, or (autoreset disabled) one has ended and was not reset.
        """
        core, rows = self._core, self._rows
        if core.frame is None:
            raise ResetNeeded("step: no episode has begun; call reset() first")
        restart = None
        if self._ended is not self._nobody and self._ended.any():
            if self._mode is AutoresetMode.DISABLED:
                over = np.nonzero(self._ended)[0].tolist()
                raise ResetNeeded(
                    f'step: the episodes of clusters {over} are over; call reset(options={{"reset_mask": ...}})'
                )
            restart = self._ended
        rows.act(actions)
        frame = core.advance(restart)
        if rows.others is not None:
            rows.others.learn(frame)
            if restart is not None and restart.all():
                rows.others.reset(None)
        terminated = np.zeros(self.num_envs, bool)
        reward = rows.reward(frame)
        if frame.truncated is None:
            self._ended = self._nobody
            return rows.observation(frame), reward, terminated, terminated.copy(), self._infos(frame)
        self._ended = frame.truncated
        truncated = frame.truncated[rows.environment]
        if self._mode is not AutoresetMode.SAME_STEP:
            return rows.observation(frame), reward, terminated, truncated, self._infos(frame)
        final, frame = frame, core.reset(None, self._ended)
        if rows.others is not None and self._ended.all():
            rows.others.reset(None)
        self._ended = self._nobody
        infos = self._infos(frame)
        last = np.full(self.num_envs, None, object)
        observation = rows.observation(final)
        for row in np.nonzero(truncated)[0]:
            last[row] = observation[row].copy()
        infos["final_obs"], infos["_final_obs"] = last, truncated.copy()
        infos["final_info"], infos["_final_info"] = self._infos(final, truncated), truncated.copy()
        return rows.observation(frame), reward, terminated, truncated, infos

    def render(self) -> tuple[Any, ...] | None:
        """One text or picture per cluster."""
        if self.render_mode is None:
            self._renderer.render()
            return None
        return tuple(self._renderer.render(e) for e in range(self._core.E))

    def close_extras(self, **kwargs: Any) -> None:
        # Gymnasium closes what is collected, also where __init__ has refused its arguments.
        if hasattr(self, "_core"):
            self._core.close()

    def action_masks(self) -> np.ndarray:
        """int8 [num_envs, sum of head sizes]: which indices each row has."""
        return self._rows.action_masks()

    def _infos(self, frame: Frame, about: np.ndarray | None = None) -> LazyDict:
        return LazyDict.of_rows(Stacked(self._rows, frame, about), (0,), {})[0]


def clusters_of(about: np.ndarray, rows: Rows) -> np.ndarray:
    """bool [E]: the clusters whose rows are marked.

    Raises:
        ValueError: a cluster of which some rows are marked and some are not.
    """
    marked = np.bincount(rows.environment, about, rows.core.E)
    size = rows.count // rows.core.E
    torn = (marked != 0) & (marked != size)
    if torn.any():
        e = int(np.nonzero(torn)[0][0])
        raise ValueError(f"reset_mask marks {int(marked[e])} of the {size} rows of cluster {e}; allowed: all or none")
    return marked == size


def _row_mask(mask: Any, count: int) -> np.ndarray:
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.shape != (count,) or not mask.any():
        raise ValueError(f"reset_mask = {mask!r}; allowed: a bool array of shape ({count},) with at least one True")
    return mask


class BatchingCentralVectorEnv(BatchingVectorEnv):
    """`BatchingVectorEnv` with `rows="central"`: one controller per cluster."""

    def __init__(self, num_envs: int = 1, scenario: str | Scenario | None = None, **kwargs: Any) -> None:
        super().__init__(num_envs, scenario, "central", **kwargs)
