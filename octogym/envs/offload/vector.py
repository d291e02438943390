"""The offloading problem as a `gymnasium.vector.VectorEnv`: all rows in one call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode

from octogym.cluster.backend import Backend, Policy, Seed
from octogym.cluster.offloading.layout import TOP_K
from octogym.cluster.scenario import Scenario
from octogym.envs.clusters import ClusterVectorEnv, no_terminal
from octogym.envs.figures import stacked_figures
from octogym.envs.offload.core import OffloadCore
from octogym.envs.offload.frame import AGENT, CLUSTER, OffloadFrame
from octogym.envs.offload.problem import HISTORY
from octogym.envs.offload.render import RENDER_FPS, OffloadRenderer
from octogym.envs.render import RENDER_MODES

#: "central": one row per cluster, a controller of all its agents. "agents": row e * N + n is agent n of cluster e.
LAYOUTS = ("central", "agents")


class OffloadVectorEnv(ClusterVectorEnv):
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

    _core: OffloadCore
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
        no_terminal(render_mode)
        if rows not in LAYOUTS:
            raise ValueError(f"rows = {rows!r}; allowed: {', '.join(map(repr, LAYOUTS))}")
        rest = (interrupt, top_k, history, others, results_per_s, randomise, threads)
        core = self._core = OffloadCore(scenario, backend, num_envs, horizon, *rest)
        problem, self._agents = core.problem, rows == "agents"
        seen = problem.observation_space() if self._agents else problem.state_space()
        done = problem.action_space(1 if self._agents else core.N)
        each = core.N if self._agents else 1
        self._lay_out(each, seen, done, OffloadRenderer(core, render_mode), render_mode, autoreset_mode)

    def states(self) -> np.ndarray:
        """float32 [E, Z]: every cluster's state."""
        if self._core.frame is None:
            raise ResetNeeded("states: no episode has begun; call reset() first")
        return self._core.frame.state()

    def _begin(self, seed: Seed, mask: np.ndarray | None, options: Mapping[str, Any] | None) -> OffloadFrame:
        return self._core.reset(seed, mask, options)

    def _act(self, actions: np.ndarray) -> None:
        core, actions = self._core, np.asarray(actions)
        if actions.shape != self.action_space.shape:
            raise ValueError(f"actions of shape {actions.shape}; allowed: {self.action_space.shape}")
        core.decide(actions.reshape(core.E, core.N, core.T))

    def _advance(self, restart: np.ndarray | None) -> OffloadFrame:
        return self._core.advance(restart)

    def _over(self, frame: OffloadFrame) -> np.ndarray | None:
        return frame.truncated if frame.truncated.any() else None

    def _reward(self, frame: OffloadFrame) -> np.ndarray:
        return (frame.reward.reshape(-1) if self._agents else frame.team).copy()

    def _observation(self, frame: OffloadFrame) -> np.ndarray:
        if self._agents:
            return frame.observation.reshape(self.num_envs, -1).copy()
        return frame.state()

    def _infos(self, frame: OffloadFrame, about: np.ndarray | None = None) -> dict[str, Any]:
        infos: dict[str, Any] = {}
        for name in CLUSTER:
            infos[name] = np.repeat(frame.values[name], self._each)
        for name in AGENT:
            value = frame.values[name]
            infos[name] = value.reshape(self.num_envs, *value.shape[2:]).copy() if self._agents else value.copy()
        rows = np.ones(self.num_envs, bool) if about is None else np.repeat(about, self._each)
        infos.update({"_" + name: rows.copy() for name in (*CLUSTER, *AGENT)})
        if frame.figures:
            infos["figures"] = stacked_figures(frame.figures, frame.truncated, self._each)
            infos["_figures"] = np.repeat(frame.truncated, self._each)
        return infos
