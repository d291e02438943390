"""`batching_v0`: choose packing, batch size and threads of every model instance of an edge video-analytics cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from operator import itemgetter
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from pettingzoo import AECEnv, ParallelEnv
from pettingzoo.utils.conversions import parallel_to_aec_wrapper
from pettingzoo.utils.wrappers import OrderEnforcingWrapper

from octogym.cluster.backend import Backend
from octogym.cluster.scenario import Scenario
from octogym.envs.core import BatchingCore
from octogym.envs.custom import Observation, Reward
from octogym.envs.frame import Frame
from octogym.envs.lazy import LazyDict
from octogym.envs.over_core import OverCore, check_agents, check_single
from octogym.envs.render import RENDER_FPS, RENDER_MODES, Renderer
from octogym.envs.spaces import rows_of, with_devices

__all__ = ["BatchingParallelEnv", "env", "parallel_env", "raw_env"]


class BatchingParallelEnv(OverCore, ParallelEnv[str, np.ndarray, np.ndarray]):
    """
    ## Description

    Cameras send frames through pipelines of models on the devices of an edge cluster. Every model instance has an
    agent, which sets once a second how many images are packed into one frame, how many frames make a batch and how
    many threads pre- and post-process. A large batch uses the GPU better and makes the first image wait for the last;
    packing saves inference and loses small objects; threads take each other's cores. Requests arrive as the
    scenario's traces say, pass bounded queues that drop their oldest, and count when their results are there within
    the pipeline's SLO. The problem is that of FCPO (arXiv 2507.18047); numbers and order of events are those of
    `docs/contract.md`.

    The backend is a trace-driven simulator or a rack of real devices. Nothing else changes between the two.

    ## Action Space

    `MultiDiscrete([R, B, M])` for each agent; sizes differ by device and model. Indices count from 0.

    | Index | Action  | Size | Setting                                                                              |
    |-------|---------|------|--------------------------------------------------------------------------------------|
    | 0     | pack    | R    | index + 1 images per frame; recall 1.0 / 0.8 / 0.7 / 0.6                             |
    | 1     | batch   | B    | index + 1 frames per batch                                                           |
    | 2     | threads | M    | (pre, post) = (1, 1), (2, 1), (1, 2), (2, 2); in force when asked for twice in a row |

    With `homogeneous=True` every agent has the scenario's largest `MultiDiscrete`; a larger index than the instance's
    own counts as its largest, and `infos[agent]["action_mask"]` (one int8 array per index, as `MultiDiscrete.sample`
    takes) says which are its own.

    ## Observation Space

    `Box`, float32, shape (8,). Values at the end of the window.

    | Index | Observation                                  | Unit              | Min | Max |
    |-------|----------------------------------------------|-------------------|-----|-----|
    | 0     | pack in force                                | 1 / R             | 0   | 1   |
    | 1     | batch in force                               | 1 / B             | 0   | 1   |
    | 2     | thread index last asked for                  | 1 / M             | 0   | 1   |
    | 3     | net request rate                             | 250 requests/s    | 0   | 40  |
    | 4     | queue receiver to pre-processing (Q1)        | 100 requests      | 0   | 1   |
    | 5     | queue pre-processing to batcher (Q2)         | 100 frames        | 0   | 1   |
    | 6     | queue inference to post-processing (Q4)      | 100 batches       | 0   | 1   |
    | 7     | SLO of the pipeline, frame to result         | 100 ms            | 0   | 100 |

    The rate is the mean of the mean arrival rates over the last 1, 3, 7, 15, 30 and 60 s (over what there is at the
    beginning), less the requests dropped for lateness in the last second, at least 0.1; 0 if nothing arrived in the
    last 60 s.

    `state()` is one float32 vector: all agents' observations, then 1 or 0 per device for present or not.

    ## Rewards

    FCPO's Eq. 1 for each instance: r = clip((1.1 T - 10 L - 2 O^2) / 2, -1, 1), of the window that the action was
    for: T = (images executed + 0.1) / rate, at most 1.5; L = local latency in seconds, receiver to post-processing, a
    weighted average; O = batch / rate, the seconds to fill a batch. The rate is the net one above. Where it is 0, T
    and L are 0 and O = batch / 10.

    ## Starting State

    Every instance has the scenario's initial settings and empty queues. The seed draws the load: where each trace
    begins, scenes, link rates, phases of the cameras (the scenario's load programme). Environment e of a batch uses
    seed + e.

    ## Episode End

    The task goes on for ever: no agent is ever terminated. All agents are truncated together after `horizon` seconds.
    Their last infos hold `figures`: throughput, effective throughput, on-time share, latency quantiles and drops of
    the episode.

    `agents` is constant within an episode. When a device is lost its agents stay: observation frozen, reward 0,
    actions ignored, `infos[agent]["present"]` False, `["mask"]` 0, `["age_s"]` the age of what is known.

    What a step returns is yours: as long as you hold it, or a view of it, no later step changes it.

    ## Arguments

    ```python
    from octogym.envs import batching_v0
    env = batching_v0.parallel_env(scenario="traffic-2", backend="sim", horizon=600, render_mode=None)
    ```

    - `scenario`: a name (`octogym.scenarios()`), a TOML file or a `Scenario`.
    - `backend`: `"sim"`, another registered name, or what names a scenario of its own: a rack file, a recorded run
      (`"run.parquet"`), a `Backend`.
    - `horizon`: seconds of cluster time per episode; the scenario's if None.
    - `render_mode`: None, `"human"` (the table in the terminal, renewed in every step), `"ansi"` (the table as text),
      `"rgb_array"`.
    - `homogeneous`: one action space for all agents, as SuperSuit and shared policies need.
    - `rate`: `"fresh"`, or `"stale_15s"`: renewed every 15 s as in the published code.
    - `reward`: None for Eq. 1, `octogym.cluster.reward.FcpoReward(theta, sigma, phi)` for other weights, or any
      callable (telemetry, rate [1, S] in requests/s, present [1, S]) -> [1, S].
    - `observation`, `observation_space`: a callable (eight values [1, S, 8], telemetry, rate, present)
      -> [1, S, ...], and the float32 Box of one agent's.
    - `randomise`: keys of the load programme drawn anew for each episode:
      {"load": (0.5, 2.0), "offset": ["common", "none"]}.

    `reset(options=...)` takes `trace_offset_s` (seconds into the traces) and `overrides` (keys of the load programme).

    Infos: `t_s`, `window_s`, seconds that the window's counts cover; `present`, `mask`, `fresh`, `age_s`; of how well
    the agent's device is heard (docs/rack.md) `late`, reports that came after their window was over; `missed`, windows
    since the last report; `fault`, "" or what is wrong (`"LINK_DOWN"` of a device that is away); `safe_active`;
    `acted_window`, window of the decision in force since the reset, -1 none; settings in force `active`, `pack`,
    `batch`, `pre`, `post`, `timeout_s` (0 none, -1 deadline batching) and `set_by` (0 host, 1 onboard agent, 2 safe);
    `rate`, `net_rate` (requests/s), `latency_s`, `queues` (Q1 to Q5); of the window `arrived`, `executed`,
    `completed`, `on_time`, `dropped_full`, `dropped_late`, `dropped_out`, `failed`, `lost`, and `in_stage` after it;
    `slo_s`, `budget_s` (time that a request needs from here on); of all pipelines' leaf results
    in the window `results_generated`, `results_on_time`, `results_late`, `results_dropped`, `results_missed`,
    `results_lost`, and `results_in_flight`, `results_overdue` (of those in flight, past the SLO) after it.

    ## Vectorized environment

    `octogym.envs.vector.BatchingVectorEnv` steps E clusters in one call, `octogym.envs.adapters` are for
    Stable-Baselines3 and TorchRL.

    ```python
    one = gymnasium.make("octogym:octogym/Batching-v0", agent="cam-1/traffic.yolov5n", others="static")
    many = gymnasium.make_vec("octogym:octogym/Batching-v0", num_envs=256, vectorization_mode="vector_entry_point")
    ```

    ## Version History

    - v0: Initial version.
    """

    _core: BatchingCore
    metadata: ClassVar[dict[str, Any]] = {
        "name": "batching_v0",
        "render_modes": RENDER_MODES,
        "render_fps": RENDER_FPS,
        "is_parallelizable": True,
    }

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
        self._core = BatchingCore(
            scenario,
            backend,
            1,
            horizon,
            rate,
            reward,
            observation,
            observation_space,
            homogeneous,
            randomise,
        )
        core = self._core
        check_single(core.E)
        self.render_mode = render_mode
        self._renderer = Renderer(core, render_mode)
        self.possible_agents = list(core.agents)
        self.agents: list[str] = []
        self._names = core.agents
        self._observation_spaces = {agent: core.observation_space() for agent in core.agents}
        self._action_spaces = {agent: core.action_space(s) for s, agent in enumerate(core.agents)}
        self.state_space = with_devices(core.observation_space(), core.S, core.cluster.D)
        # Of one key itemgetter would return the value, not a tuple of it.
        self._pick = itemgetter(*core.agents) if core.S > 1 else partial(_only, core.agents[0])
        self._never, self._always = dict.fromkeys(core.agents, False), dict.fromkeys(core.agents, True)

    def observation_space(self, agent: str) -> spaces.Box:
        return self._observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.MultiDiscrete:
        return self._action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, dict[str, Any]]]:
        """Begin an episode. `seed=None` goes on with the random sequence of the last seed.

        Raises:
            ValueError: an option other than `trace_offset_s` and `overrides`.
        """
        frame = self._core.reset(seed, options=options)
        self.agents = self.possible_agents[:]
        if self.render_mode == "human":
            self.render()
        return dict(zip(self._names, frame.observation[0], strict=True)), frame.infos()

    def step(
        self, actions: dict[str, np.ndarray]
    ) -> tuple[dict[str, np.ndarray], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """One control window under `actions`, which hold 3 integers for every agent.

        Raises:
            ValueError: an action is missing, is out of range or of the wrong shape, or is for nobody.
            gymnasium.error.ResetNeeded: there is no episode.
        """
        if not self.agents:
            if actions or self._core.frame is None:
                raise ResetNeeded("step: no episode is running; call reset() first")
            return {}, {}, {}, {}, {}
        names = self._names
        core = self._core
        self._decide(actions)
        frame = core.advance()
        done = frame.truncated is not None
        if done:
            self.agents = []
        if self.render_mode == "human":
            self.render()
        observations, infos = self._shown(frame)
        return (
            dict(zip(names, observations)),  # noqa: B905 (strict takes half a microsecond)
            dict(zip(names, frame.reward.tolist()[0])),  # noqa: B905
            self._never.copy(),
            self._always.copy() if done else self._never.copy(),
            infos,
        )

    def render(self) -> str | np.ndarray | None:
        """The cluster as text (`ansi`) or picture (`rgb_array`, uint8 [H, W, 3]), by `render_mode`."""
        return self._renderer.render()

    def state(self) -> np.ndarray:
        """float32 [S * 8 + D]: all agents' observations, then which devices are present."""
        telemetry = self._core.telemetry
        if telemetry is None:
            raise ResetNeeded("state: no episode has begun; call reset() first")
        return np.concatenate([self._core.observation[0].ravel(), telemetry.present[0].astype(np.float32)])

    def close(self) -> None:
        """Close the backend, if this environment made it."""
        self._core.close()

    def _shown(self, frame: Frame) -> tuple[Sequence[np.ndarray], LazyDict]:
        """All agents' observations, and infos."""
        handed = self._core.frames.last
        assert handed is not None
        if handed.infos:
            infos = handed.infos[0]
        else:
            infos = frame.infos()
            handed.give([*frame.observation[0]], (infos, infos[self._names[0]]))
        return handed.rows, infos

    def _decide(self, actions: dict[str, np.ndarray]) -> None:
        try:
            if len(actions) == len(self._names) and self._core.decide_each(self._pick(actions)):
                return
        except (KeyError, TypeError):
            pass  # said below, where the agent is known
        check_agents(actions, self._names)
        self._core.decide_flat(rows_of(actions, self._names, self._core.accepted))


def _only(agent: str, actions: Mapping[str, Any]) -> tuple[Any, ...]:
    return (actions[agent],)


def parallel_env(**kwargs: Any) -> BatchingParallelEnv:
    """The environment for PettingZoo's parallel API; arguments as `BatchingParallelEnv`."""
    return BatchingParallelEnv(**kwargs)


def raw_env(**kwargs: Any) -> AECEnv[str, np.ndarray, np.ndarray | None]:
    """The environment for the AEC API, without wrappers."""
    return parallel_to_aec_wrapper(BatchingParallelEnv(**kwargs))


def env(**kwargs: Any) -> AECEnv[str, np.ndarray, np.ndarray | None]:
    """The environment for the AEC API; checks the order of calls."""
    return OrderEnforcingWrapper(raw_env(**kwargs))
