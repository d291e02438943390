"""The batching problem as a native Stable-Baselines3 `VecEnv`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded

from octogym.cluster.backend import Backend, Policy
from octogym.cluster.errors import MissingExtra
from octogym.cluster.scenario import Scenario
from octogym.envs.core import BatchingCore
from octogym.envs.custom import Observation, Reward
from octogym.envs.remade import Remade
from octogym.envs.render import RENDER_MODES, Renderer
from octogym.envs.rows import Rows

try:
    from stable_baselines3.common.vec_env import VecEnv
    from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvObs, VecEnvStepReturn
except ModuleNotFoundError as error:
    raise MissingExtra("train", "stable-baselines3") from error


class BatchingVecEnv(Remade, VecEnv):
    """E clusters for Stable-Baselines3; arguments as `octogym.envs.vector.BatchingVectorEnv`.

    An episode ends by truncation only, and the environment begins the next one in the same step: the row's info then
    holds `terminal_observation` and `TimeLimit.truncated` (True), with which SB3 bootstraps, and the episode's
    `figures`. For episode returns wrap it in `VecMonitor`.

    Args:
        num_envs: number of clusters E; with `rows="agents"` the VecEnv's own `num_envs` is E times the scenario's
            agents.
        rows: "envs" (one agent learns, `others` decides for the rest), "agents" (row e * A + i is agent i of cluster
            e), "central" (one controller per cluster).
    """

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
        shared = rows == "agents" if homogeneous is None else homogeneous
        custom = (reward, observation, observation_space, shared, randomise)
        self._core = BatchingCore(scenario, backend, num_envs, horizon, rate, *custom, threads)
        self._rows = Rows(self._core, rows, agent, others)
        self._renderer = Renderer(self._core, render_mode)
        self.render_mode = render_mode
        self._actions: np.ndarray | None = None
        self.num_envs = self._rows.count
        super().__init__(self._rows.count, self._rows.observation_space, self._rows.action_space)

    @property
    def scenario(self) -> Scenario:
        return self._core.scenario

    @property
    def backend(self) -> Backend:
        return self._core.backend

    def reset(self) -> VecEnvObs:
        """Begin new episodes with what `seed()` and `set_options()` have set since the last reset."""
        rows = self._rows
        # SB3 gives every row a seed; the cluster takes its first row's.
        first = np.unique(rows.environment, return_index=True)[1]
        seeds = [self._seeds[row] for row in first]
        given = [int(seed) for seed in seeds if seed is not None]
        if given and len(given) != len(seeds):
            raise ValueError(f"seeds = {seeds}; allowed: one for every cluster, or none")
        if rows.layout == "agents" and given and self._seeds == list(range(given[0], given[0] + rows.count)):
            # From `seed(n)`: clusters get n, n + 1, ... as everywhere else, not n, n + A, ...
            given = list(range(given[0], given[0] + self._core.E))
        options = self._options[0]
        if any(other != options for other in self._options):
            raise ValueError("set_options: the rows' options differ; allowed: the same for all")
        frame = self._core.reset(given or None, options=options)
        if rows.others is not None:
            rows.others.reset(given[0] if given else None)
        self._reset_seeds()
        self._reset_options()
        self.reset_infos = [*rows.infos(frame)]
        return rows.observation(frame)

    def step_async(self, actions: np.ndarray) -> None:
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """One control window of all clusters; observations are the next episode's where one has ended.

        Raises:
            ValueError: the actions have the wrong shape or type, or an index out of range.
        """
        core, rows, actions = self._core, self._rows, self._actions
        if core.frame is None or actions is None:
            raise ResetNeeded("step: no episode has begun, or no actions were given; call reset(), then step()")
        self._actions = None
        rows.act(actions)
        frame = core.advance()
        if rows.others is not None:
            rows.others.learn(frame)
        infos: list[Any] = [*rows.infos(frame)]
        observation, reward = rows.observation(frame), rows.reward(frame)
        if frame.truncated is None:
            return observation, reward, np.zeros(rows.count, bool), infos
        done = frame.truncated[rows.environment]
        reset = core.reset(None, frame.truncated)
        if rows.others is not None and frame.truncated.all():
            rows.others.reset(None)
        for row in np.nonzero(done)[0].tolist():
            infos[row]["terminal_observation"] = observation[row].copy()
            infos[row]["TimeLimit.truncated"] = True
            self.reset_infos[row] = rows.info(reset, row)
        return rows.observation(reset), reward, done, infos

    def close(self) -> None:
        self._core.close()

    def get_images(self) -> Sequence[np.ndarray | None]:
        """One picture per cluster."""
        return [self._renderer.picture(e) for e in range(self._core.E)]

    def action_masks(self) -> np.ndarray:
        """bool [rows, sum of head sizes]: which indices each row has; sb3-contrib's MaskablePPO asks for it."""
        return self._rows.action_masks().astype(bool)

    # --- what SB3 asks of the environments inside: there are none, all rows are this object -------------------------
    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        value = getattr(self, attr_name)
        return [value for _ in self._chosen(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        raise AttributeError(f"set_attr({attr_name!r}): all rows are one object; make a new BatchingVecEnv instead")

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **method_kwargs: Any
    ) -> list[Any]:
        chosen = list(self._chosen(indices))
        if method_name == "action_masks":
            masks = self.action_masks()
            return [masks[row] for row in chosen]
        if method_name == "render":
            return [self._renderer.render(int(self._rows.environment[row])) for row in chosen]
        raise AttributeError(f"env_method({method_name!r}); allowed: 'action_masks', 'render'")

    def env_is_wrapped(self, wrapper_class: type[gymnasium.Wrapper], indices: VecEnvIndices = None) -> list[bool]:
        return [False for _ in self._chosen(indices)]

    def _chosen(self, indices: VecEnvIndices) -> Iterable[int]:
        return self._get_indices(indices)
