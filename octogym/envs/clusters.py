"""Vector environments: E clusters stepped in one call, each with one row or several."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from octogym.cluster.backend import Seed
from octogym.envs.over_core import OverCore
from octogym.envs.shown import RENDER_MODES, Shown


class ClusterVectorEnv(OverCore, VectorEnv[np.ndarray, np.ndarray, np.ndarray]):
    """Rows of a core with E environments, cluster after cluster; all rows of a cluster begin and end together.

    A subclass has the core, says what rows do, see and earn, and calls `_lay_out` in its `__init__`.
    """

    def _lay_out(
        self,
        each: int,
        observation_space: spaces.Box,
        action_space: spaces.Space[Any],
        renderer: Shown,
        render_mode: str | None,
        autoreset_mode: AutoresetMode | str,
    ) -> None:
        """`each`: rows per cluster; the spaces are those of one row."""
        self._mode = AutoresetMode(autoreset_mode)
        self.metadata = {**type(self).metadata, "autoreset_mode": self._mode}
        self.render_mode, self._renderer, self._each = render_mode, renderer, each
        self.num_envs = self._core.E * each
        self.single_observation_space, self.single_action_space = observation_space, action_space
        self.observation_space = batch_space(observation_space, self.num_envs)
        self.action_space = batch_space(action_space, self.num_envs)
        self._ended = self._nobody = np.zeros(self._core.E, bool)

    # --- what a subclass says ---------------------------------------------------------------------------------------
    @abstractmethod
    def _begin(self, seed: Seed, mask: np.ndarray | None, options: Mapping[str, Any] | None) -> Any:
        """New episodes in the clusters of `mask` bool [E] (all if None); the frame."""

    @abstractmethod
    def _act(self, actions: np.ndarray) -> None:
        """Decide what the rows' actions ask for; ValueError where they are not allowed."""

    @abstractmethod
    def _advance(self, restart: np.ndarray | None) -> Any:
        """One step; clusters of `restart` bool [E] begin a new episode instead; the frame."""

    @abstractmethod
    def _over(self, frame: Any) -> np.ndarray | None:
        """bool [E]: whose episode the step has ended; None if nobody's."""

    @abstractmethod
    def _observation(self, frame: Any) -> np.ndarray:
        """[num_envs, ...]"""

    @abstractmethod
    def _reward(self, frame: Any) -> np.ndarray:
        """float32 [num_envs], an array that nobody else has."""

    @abstractmethod
    def _infos(self, frame: Any, about: np.ndarray | None = None) -> dict[str, Any]:
        """Arrays over rows; `about` bool [E]: the clusters that they speak of (all if None)."""

    # --- Gymnasium --------------------------------------------------------------------------------------------------
    def reset(self, *, seed: Seed = None, options: dict[str, Any] | None = None) -> tuple[np.ndarray, dict[str, Any]]:
        """Begin new episodes: in all clusters, or with `options={"reset_mask": bool [num_envs]}` in those whose rows
        are marked.

        `seed`: an integer (cluster e gets seed + e), one per cluster, or None (the random sequences go on).

        Raises:
            ValueError: an unknown option, or a mask that marks some rows of a cluster only, or none.
        """
        super().reset(seed=seed if isinstance(seed, int) else None)
        options, mask = dict(options or {}), None
        if "reset_mask" in options:
            mask = clusters_of(options.pop("reset_mask"), self._core.E, self._each)
        frame = self._begin(seed, mask, options)
        self._ended = self._nobody if mask is None else self._ended & ~mask
        return self._observation(frame), self._infos(frame, mask)

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """One step of all clusters.

        Raises:
            ValueError: `actions` have the wrong shape or type, or something in them is not allowed.
            gymnasium.error.ResetNeeded: there is no episode, or (autoreset disabled) one has ended and was not reset.
        """
        if self._core.frame is None:
            raise ResetNeeded("step: no episode has begun; call reset() first")
        restart = None
        if self._ended is not self._nobody and self._ended.any():
            if self._mode is AutoresetMode.DISABLED:
                over = np.flatnonzero(self._ended).tolist()
                raise ResetNeeded(
                    f'step: the episodes of clusters {over} are over; call reset(options={{"reset_mask": ...}})'
                )
            restart = self._ended
        self._act(actions)
        frame = self._advance(restart)
        terminated, reward = np.zeros(self.num_envs, bool), self._reward(frame)
        ended = self._over(frame)
        if ended is None:
            self._ended = self._nobody
            return self._observation(frame), reward, terminated, terminated.copy(), self._infos(frame)
        self._ended, truncated = ended, np.repeat(ended, self._each)
        if self._mode is not AutoresetMode.SAME_STEP:
            return self._observation(frame), reward, terminated, truncated, self._infos(frame)
        final, self._ended = frame, self._nobody
        frame = self._begin(None, ended, None)
        infos = self._infos(frame)
        last, seen = np.full(self.num_envs, None, object), self._observation(final)
        for row in np.flatnonzero(truncated):
            last[row] = seen[row].copy()
        infos["final_obs"], infos["_final_obs"] = last, truncated.copy()
        infos["final_info"], infos["_final_info"] = self._infos(final, ended), truncated.copy()
        return self._observation(frame), reward, terminated, truncated, infos

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


def no_terminal(render_mode: str | None) -> None:
    """ValueError for a render mode that needs the terminal for one cluster."""
    if render_mode == "human":
        raise ValueError(f"render_mode = 'human'; allowed: None, {', '.join(map(repr, RENDER_MODES[1:]))}")


def clusters_of(mask: Any, clusters: int, each: int) -> np.ndarray:
    """bool [clusters]: those whose `each` rows are marked.

    Raises:
        ValueError: no bool array [clusters * each] with a True in it, or a cluster of which only some rows are marked.
    """
    count = clusters * each
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_ or mask.shape != (count,) or not mask.any():
        raise ValueError(f"reset_mask = {mask!r}; allowed: a bool array of shape ({count},) with at least one True")
    marked = mask.reshape(clusters, each).sum(1)
    torn = np.flatnonzero((marked != 0) & (marked != each))
    if len(torn):
        e = int(torn[0])
        raise ValueError(f"reset_mask marks {int(marked[e])} of the {each} rows of cluster {e}; allowed: all or none")
    return np.asarray(marked == each)
