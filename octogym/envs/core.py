"""The batching problem over any backend, as arrays. Every environment and adapter is a thin layer over this."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces

from octogym.cluster.backend import Backend, Seed, View
from octogym.cluster.decision import Decision
from octogym.cluster.reward import FcpoReward
from octogym.cluster.scenario import Scenario
from octogym.cluster.settings import KEEP_SHARE
from octogym.cluster.telemetry import Telemetry
from octogym.envs import columns as k
from octogym.envs.addresses import AT
from octogym.envs.custom import CustomObservation, CustomReward, Observation, Reward
from octogym.envs.figures import episode_figures
from octogym.envs.frame import Constants, Frame
from octogym.envs.handed import Frames
from octogym.envs.memory import Memory
from octogym.envs.opening import observing_step, open_backend
from octogym.envs.options import Randomiser, check_options
from octogym.envs.plain import KNOWN
from octogym.envs.spaces import accepted_sizes, action_masks, action_sizes, bad_action, observation_space
from octogym.envs.windows import windows_of

#: `rate=`: renewed every second, or every 15 s as in the published code (specs: decision D20).
REFRESH_S = {"fresh": 1, "stale_15s": 15}


class BatchingCore:
    """E environments of one scenario with S instances, each an agent of the batching problem.

    A step is `decide` (or several, for different instances), then `advance`. Both return or fill arrays [E, S, ...];
    a `Frame` is new in every step, or one that nobody holds. Arguments as in `octogym.envs.batching_v0`.
    """

    def __init__(
        self,
        scenario: str | Scenario | None = None,
        backend: str | Backend = "sim",
        num_envs: int = 1,
        horizon: float | None = None,
        rate: str = "fresh",
        reward: Reward | None = None,
        observation: Observation | None = None,
        observation_space: spaces.Box | None = None,
        homogeneous: bool = False,
        randomise: Mapping[str, Any] | None = None,
        threads: int = 1,
    ) -> None:
        if rate not in REFRESH_S:
            raise ValueError(f"rate = {rate!r}; allowed: {', '.join(map(repr, REFRESH_S))}")
        self.backend, self.owns_backend = open_backend(scenario, backend, num_envs, threads)
        self.scenario, self.cluster = self.backend.scenario, self.backend.cluster
        cluster = self.cluster
        self.E, self.S = self.backend.num_envs, cluster.S
        self.agents = tuple(instance.id for instance in cluster.instances)
        self.horizon_s = self.scenario.horizon_s if horizon is None else horizon
        self.horizon = windows_of(self.horizon_s, cluster.period_ns)
        self.sizes = action_sizes(cluster)
        self.accepted = accepted_sizes(cluster, homogeneous)
        self.homogeneous = homogeneous
        masks = None
        if homogeneous:
            masks = tuple(action_masks(own, shared) for own, shared in zip(self.sizes, self.accepted, strict=True))
        self.constants = Constants(
            _fixed(self.backend, self.sizes),
            cluster.period_ns,
            {agent: s for s, agent in enumerate(self.agents)},
            masks,
        )
        self._keys = dict.fromkeys(self.constants.keys)
        self._randomiser = Randomiser(randomise, self.E) if randomise else None
        weights = reward if isinstance(reward, FcpoReward) else FcpoReward()
        self._reward = None if reward is None or isinstance(reward, FcpoReward) else CustomReward(reward)
        self._observation = CustomObservation(observation, observation_space) if observation else None
        if observation is None and observation_space is not None:
            raise ValueError("observation_space goes with observation=; without it the space is the eight values' own")
        self._custom = self._reward is not None or self._observation is not None
        self.decision = Decision.keep(cluster, self.E)
        constants = self.constants
        of = (self.accepted, self.sizes, constants.fixed, weights, REFRESH_S[rate])
        self._memory = Memory(cluster, self.decision, *of)
        #: bool [E, S]: whose device is there; int64 [E]: windows since the reset.
        self.present, self.clock = self._memory.present, self._memory.clock
        # Shares are restated before their validity ends: nobody else sets them, and the scenario's are meant to stay.
        milli = np.array([route.share_milli for route in cluster.routes], np.uint16)
        self._own_shares = np.tile(milli, (self.E, 1))
        self._restate = max(1, cluster.share_validity // 3)
        self._until_restated = 1
        # The simulator has each environment observed while what it left is in the cache.
        self._step_each = observing_step(self.backend)
        self._windows_left = 0  # no environment reaches the horizon in fewer
        self._due = np.ones((self.E, self.S), bool)
        self._tell = getattr(self.backend, "agent_facts", None)
        self.telemetry: Telemetry | None = None
        self._bound: Telemetry | None = None
        self.frame: Frame | None = None
        #: Of the steps, not of resets.
        self.frames = Frames(self.constants, self._keys, self.E, self.S, again=not self._custom)

    # --- spaces -----------------------------------------------------------------------------------------------------
    def observation_space(self) -> spaces.Box:
        """A new space object of one agent's observation."""
        return observation_space() if self._observation is None else self._observation.new_space()

    def action_space(self, s: int) -> spaces.MultiDiscrete:
        """A new space object of instance s's action."""
        return spaces.MultiDiscrete(self.accepted[s])

    # --- an episode -------------------------------------------------------------------------------------------------
    def reset(
        self, seed: Seed = None, mask: np.ndarray | None = None, options: Mapping[str, Any] | None = None
    ) -> Frame:
        """Start new episodes in all environments, or those of `mask` bool [E]. Environment e uses `seed + e`.

        Raises:
            ValueError: an option that is not known, or a first reset of some environments only.
        """
        if mask is None:
            mask = np.ones(self.E, bool)
        if self.frame is None and not mask.all():
            raise ValueError(f"the first reset begins all {self.E} environments; the mask marks {int(mask.sum())}")
        telemetry, self._windows_left = self._reset_backend(seed, mask, check_options(options)), 0
        self._memory.addresses.check_bound()
        frame = Frame(self.constants, self._keys, self.E, self.S) if self.frame is None else self.frame.copy()
        return self._observe(telemetry, np.where(mask, k.RESET, k.SKIP).astype(np.int8), frame)

    def decide(self, actions: np.ndarray, columns: np.ndarray | None = None) -> None:
        """Set what int64 actions [E, A, 3] ask for instances `columns` int64 [A] (all if None).

        Raises:
            ValueError: an index out of range, naming the agent. Actions for absent devices are not looked at.
        """
        columns = self._memory.columns if columns is None else np.ascontiguousarray(columns, np.int64)
        if actions.shape != (self.E, len(columns), 3):
            raise ValueError(f"actions of shape {actions.shape}; allowed: {(self.E, len(columns), 3)}")
        self.decide_flat(np.ascontiguousarray(actions, np.int64).reshape(-1), columns)

    def decide_flat(self, actions: np.ndarray, columns: np.ndarray | None = None) -> None:
        """`decide` for a contiguous array of E * A * 3 int64, unchecked: compiled code takes it by its address."""
        columns = self._memory.columns if columns is None else columns
        bad = self._memory.decide(actions, columns)
        if bad >= 0:
            raise self._refused(bad, actions, columns)

    def decide_each(self, arrays: tuple[Any, ...]) -> bool:
        """`decide` for one environment's instances, an int64 array [3] each; False if one of them is something else.
        Nothing has been decided then."""
        if not KNOWN:
            return False
        memory = self._memory
        memory.words[AT.arrays] = id(arrays)
        bad = memory.loops.decide_each()
        if bad >= 0:
            raise self._refused(bad, memory.flat, memory.columns)
        return bad == -1

    def adopt(self, patch: Decision) -> None:
        """Take over another policy's decision as a whole.

        Raises:
            ValueError: something in it is out of range.
        """
        patch.validate(self.cluster, self.E)
        for name in Decision.FIELDS:
            np.copyto(getattr(self.decision, name), getattr(patch, name))

    def advance(self, restart: np.ndarray | None = None) -> Frame:
        """One window of all environments; those of `restart` bool [E] begin a new episode instead."""
        if restart is not None:
            if restart.all():
                return self.reset()
            restart = restart if restart.any() else None
        self._until_restated -= 1
        self._windows_left -= 1
        frame = self.frames.next()
        if restart is None:
            if self._step_each is None:
                return self._observe(self._step(False), self._memory.stepping, frame)
            self._memory.show(frame)
            return self._observed(self._step(True), self._memory.stepping, frame)
        # Those that begin anew have made a window for nothing: a backend steps all or none.
        self._step(False)
        telemetry, self._windows_left = self._reset_backend(None, restart, {}), 0
        return self._observe(telemetry, np.where(restart, k.RESET, k.STEP).astype(np.int8), frame)

    @property
    def observation(self) -> np.ndarray:
        """float32 [E, S, ...]: the last observations, whatever a user has done to those handed out."""
        return self._memory.last if self._observation is None else self._observation.last

    def view(self) -> View:
        """What a policy that decides for other instances sees."""
        assert self.telemetry is not None
        return View(
            self.telemetry,
            self.cluster,
            int(self.clock[0]),
            self._due,
            self.present,
            self.backend,
            self.observation,
        )

    def close(self) -> None:
        if self.owns_backend:
            self.backend.close()

    # --- inside -----------------------------------------------------------------------------------------------------
    def _refused(self, bad: int, actions: np.ndarray, columns: np.ndarray) -> ValueError:
        e, a = divmod(bad, len(columns))
        agent = self.agents[columns[a]] + (f" of environment {e}" if self.E > 1 else "")
        return bad_action(agent, actions.reshape(-1, 3)[bad].tolist(), self.accepted[columns[a]])

    def _step(self, observing: bool) -> Telemetry:
        """One window of the backend; `observing`: each environment is observed as soon as it is ready. When it is time,
        the scenario's shares are said again, unless another policy sets shares."""
        decision, shares = self.decision, self.decision.share_milli
        if not self._until_restated:
            self._until_restated = self._restate
            if (shares == KEEP_SHARE).all():
                decision.share_milli = self._own_shares
        telemetry: Telemetry
        telemetry = self._step_each(decision, *self._memory.loops.each) if observing else self.backend.step(decision)
        decision.share_milli = shares
        return telemetry

    def _reset_backend(self, seed: Seed, mask: np.ndarray, options: dict[str, Any]) -> Telemetry:
        if self.horizon_s > self.scenario.horizon_s:
            options = {**options, "horizon_s": self.horizon_s}
        if self._randomiser is None:
            return self.backend.reset(seed, None if mask.all() else mask, options)
        telemetry = self.telemetry
        for one, drawn in self._randomiser.draw(seed, mask, options):
            telemetry = self.backend.reset(seed, one, drawn)
        assert telemetry is not None
        return telemetry

    def _observe(self, t: Telemetry, todo: np.ndarray, frame: Frame) -> Frame:
        if t is not self._bound:
            self._memory.addresses.bind(t)
            self._bound = t
        self._memory.observe(todo, frame)
        return self._observed(t, todo, frame)

    def _observed(self, t: Telemetry, todo: np.ndarray, frame: Frame) -> Frame:
        """What follows when the compiled loop has filled the frame."""
        self.telemetry, self.frame = t, frame
        if self._tell is not None:
            frame.told = self._tell()
        if self._custom:
            self._customise(t, todo, frame)
        if self._windows_left <= 0:
            self._end(t, todo, frame)
        return frame

    def _end(self, t: Telemetry, todo: np.ndarray, frame: Frame) -> None:
        """Whose episode ends here, and for how long nobody's does."""
        ended = (self.clock >= self.horizon) & (todo == k.STEP)
        self._windows_left = self.horizon - int(self.clock.max())
        if ended.any():
            frame.truncated, own = ended, self._memory
            frame.figures = {
                int(e): episode_figures(self.cluster, t, int(e), own.leaf_sum[e], own.reward_sum[e], self.clock[e])
                for e in np.flatnonzero(ended)
            }

    def _customise(self, t: Telemetry, todo: np.ndarray, frame: Frame) -> None:
        rate = frame.column(k.RATE).copy()
        fresh = frame.column(k.VALID) > 0
        if self._reward is not None:
            live = fresh & (todo == k.STEP)[:, None]
            reward = np.where(live, self._reward(t, rate, self.present.copy()), np.float32(0))
            # The compiled loop has added Eq. 1's.
            self._memory.reward_sum += np.where(live, reward - frame.reward, np.float32(0)).sum(1, dtype=np.float64)
            frame.reward = np.where((todo == k.SKIP)[:, None], frame.reward, reward)
        if self._observation is not None:
            update = (fresh | (todo == k.RESET)[:, None]) & (todo != k.SKIP)[:, None]
            frame.observation = self._observation(frame.eight, t, rate, self.present.copy(), update)


def _fixed(backend: Backend, sizes: np.ndarray) -> np.ndarray:
    """int64 [S, FIXED]: what never changes about the instances, as `kernels.observe` wants it."""
    cluster = backend.cluster
    fixed = np.zeros((cluster.S, k.FIXED), np.int64)
    for s, instance in enumerate(cluster.instances):
        fixed[s, k.DEVICE] = instance.device
        fixed[s, k.SIZE_PACK : k.SIZE_THREADS + 1] = sizes[s]
        fixed[s, k.SLO_NS] = cluster.instance_slo_ns(s)
        fixed[s, k.BUDGET_NS] = cluster.budget_ns(s)
        fixed[s, k.IS_LEAF] = not cluster.out_edges(instance.stage)
    return fixed
