"""The offloading problem as a `gymnasium.vector.VectorEnv`: all rows in one call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from octogym.cluster.backend import Backend, Policy, Seed
from octogym.cluster.offloading.layout import TOP_K
from octogym.cluster.scenario import Scenario
from octogym.envs.offload.core import HISTORY, OffloadCore
from octogym.envs.offload.frame import AGENT, CLUSTER, OffloadFrame
from octogym.envs.offload.render import RENDER_FPS, OffloadRenderer
from octogym.envs.remade import Remade
from octogym.envs.render import RENDER_MODES

#: "central": one row per cluster, a controller of all its agents. "agents": row e * N + n is agent n of cluster e.
LAYOUTS = ("central", "agents")


class OffloadVectorEnv(Remade, VectorEnv[np.ndarray, np.ndarray, np.ndarray]):
    """
    ## Description

    `offload_v0` (see `octogym.envs.offload_v0`), E clusters at once. Environment e uses seed + e. All rows of a cluster
    are truncated together.

    A backend steps all clusters of a batch together, so one whose step ended early could not wait for the others:
    steps take 15 s (`interrupt=False`), and `interrupt=True` is refused for more than one cluster. Only the step at the
    horizon is shorter; where clusters were reset at different times (`AutoresetMode.DISABLED`), one that has reached
    its horizon shows that moment's values while the others go on.

    ## Arguments

    ```python
    gymnasium.make_vec("octogym:octogym/OffloadCentral-v0", num_envs=64, vectorization_mode="vector_entry_point",
                       scenario="campus-8")
    ```

    - `num_envs`: number of clusters E. With `rows="agents"` the environment's own `num_envs` is E times N.
    - `rows`: `"central"`: row e is a controller of cluster e (observation: the state; action: all agents'; reward: the
      team's). `"agents"`: row e * N + n is agent n of cluster e.
    - `autoreset_mode`: `NEXT_STEP` (Gymnasium's default: the step after a truncation ignores its action, returns the
      new episode's first observation and reward 0), `SAME_STEP` (`infos["final_obs"]`, `infos["final_info"]`), or
      `DISABLED` (`reset(options={"reset_mask": bool [num_envs]})`).
    - `threads`: CPU threads of the simulator.
    - `render_mode`: None, `"ansi"` or `"rgb_array"`: one text or picture per cluster.
    - the rest as `offload_v0.parallel_env`.

    Infos are arrays over rows, with `_key` masks. In the last step of an episode they hold `figures`. `states()` are
    the states of all clusters, as a central critic needs beside `rows="agents"`.

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
        rows: str = "central",
        backend: str | Backend = "sim",
        horizon: float | None = None,
        render_mode: str | None = None,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        *,
        threads: int = 1,
        interrupt: bool = False,
        top_k: int = TOP_K,
        history: int = HISTORY,
        others: str | Policy | None = None,
        results_per_s: float | None = None,
        randomise: Mapping[str, Any] | None = None,
    ) -> None:
        if render_mode == "human":
            raise ValueError(f"render_mode = 'human'; allowed: None, {', '.join(map(repr, RENDER_MODES[1:]))}")
        if rows not in LAYOUTS:
            raise ValueError(f"rows = {rows!r}; allowed: {', '.join(map(repr, LAYOUTS))}")
        self._mode = AutoresetMode(autoreset_mode)
        self.metadata = {**type(self).metadata, "autoreset_mode": self._mode}
        rest = (interrupt, top_k, history, others, results_per_s, randomise, threads)
        core = self._core = OffloadCore(scenario, backend, num_envs, horizon, *rest)
        self.render_mode = render_mode
        self._renderer = OffloadRenderer(core, render_mode)
        self._agents = rows == "agents"
        self._each = core.N if self._agents else 1
        self.num_envs = core.E * self._each
        self.single_observation_space = core.observation_space() if self._agents else core.state_space()
        self.single_action_space = core.action_space(1 if self._agents else core.N)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)
        self._ended = np.zeros(core.E, bool)

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
        mask = np.ones(self._core.E, bool)
        if "reset_mask" in options:
            mask = self._clusters(options.pop("reset_mask"))
        frame = self._core.reset(seed, mask, options)
        self._ended = self._ended & ~mask
        return self._observation(frame), self._infos(frame, mask)

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """One step of all clusters, 15 s.

        Raises:
            ValueError: `actions` have the wrong shape or type, or a value out of range.
            gymnasium.error.ResetNeeded: there is no episode, or (autoreset disabled) one has ended and was not reset.
        """
        core = self._core
        if core.frame is None:
            raise ResetNeeded("step: no episode has begun; call reset() first")
        restart = self._ended if self._ended.any() else None
        if restart is not None and self._mode is AutoresetMode.DISABLED:
            over = np.flatnonzero(restart).tolist()
            raise ResetNeeded(
                f'step: the episodes of clusters {over} are over; call reset(options={{"reset_mask": ...}})'
            )
        actions = np.asarray(actions)
        if actions.shape != self.action_space.shape:
            raise ValueError(f"actions of shape {actions.shape}; allowed: {self.action_space.shape}")
        core.decide(actions.reshape(core.E, core.N, core.T))
        frame = core.advance(restart)
        self._ended = frame.truncated.copy()
        terminated, truncated = np.zeros(self.num_envs, bool), np.repeat(frame.truncated, self._each)
        reward = frame.reward.reshape(-1) if self._agents else frame.team
        if self._mode is not AutoresetMode.SAME_STEP or not self._ended.any():
            infos = self._infos(frame, np.ones(core.E, bool))
            return self._observation(frame), reward.copy(), terminated, truncated, infos
        final, reward = frame, reward.copy()
        frame = core.reset(None, self._ended)
        infos = self._infos(frame, np.ones(core.E, bool))
        last, seen = np.full(self.num_envs, None, object), self._observation(final)
        for row in np.flatnonzero(truncated):
            last[row] = seen[row].copy()
        infos["final_obs"], infos["_final_obs"] = last, truncated.copy()
        infos["final_info"], infos["_final_info"] = self._infos(final, self._ended), truncated.copy()
        self._ended = np.zeros(core.E, bool)
        return self._observation(frame), reward, terminated, truncated, infos

    def states(self) -> np.ndarray:
        """float32 [E, Z]: every cluster's state."""
        if self._core.frame is None:
            raise ResetNeeded("states: no episode has begun; call reset() first")
        return self._core.frame.state()

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

    def _observation(self, frame: OffloadFrame) -> np.ndarray:
        if self._agents:
            return frame.observation.reshape(self.num_envs, -1).copy()
        return frame.state()

    def _infos(self, frame: OffloadFrame, about: np.ndarray) -> dict[str, Any]:
        """Arrays over rows; `about` bool [E]: the clusters that they speak of."""
        infos: dict[str, Any] = {}
        for name in CLUSTER:
            infos[name] = np.repeat(frame.values[name], self._each)
        for name in AGENT:
            value = frame.values[name]
            infos[name] = value.reshape(self.num_envs, *value.shape[2:]).copy() if self._agents else value.copy()
        rows = np.repeat(about, self._each)
        infos.update({"_" + name: rows.copy() for name in (*CLUSTER, *AGENT)})
        if frame.figures:
            infos["figures"], infos["_figures"] = self._figures(frame), np.repeat(frame.truncated, self._each)
        return infos

    def _figures(self, frame: OffloadFrame) -> dict[str, np.ndarray]:
        stacked: dict[str, np.ndarray] = {}
        for name in next(iter(frame.figures.values())):
            values = np.zeros(self._core.E)
            for e, figures in frame.figures.items():
                values[e] = figures[name]
            stacked[name] = np.repeat(values, self._each)
            stacked["_" + name] = np.repeat(frame.truncated, self._each)
        return stacked

    def _clusters(self, mask: Any) -> np.ndarray:
        """bool [E]: the clusters whose rows are marked."""
        count = self.num_envs
        if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.shape != (count,) or not mask.any():
            raise ValueError(f"reset_mask = {mask!r}; allowed: a bool array of shape ({count},) with at least one True")
        marked = mask.reshape(self._core.E, self._each)
        torn = np.flatnonzero(marked.any(1) & ~marked.all(1))
        if len(torn):
            e = int(torn[0])
            raise ValueError(
                f"reset_mask marks {int(marked[e].sum())} of the {self._each} rows of cluster {e}; allowed: all or none"
            )
        return np.asarray(marked.all(1))
