"""offload_v0: one agent for every camera device of an edge video-analytics cluster."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from pettingzoo import AECEnv, ParallelEnv
from pettingzoo.utils.conversions import parallel_to_aec_wrapper
from pettingzoo.utils.wrappers import OrderEnforcingWrapper

from octogym.cluster.backend import Backend, Policy
from octogym.cluster.offloading.layout import TOP_K
from octogym.cluster.scenario import Scenario
from octogym.envs.offload.actions import table_of
from octogym.envs.offload.core import OffloadCore
from octogym.envs.offload.problem import HISTORY
from octogym.envs.offload.render import RENDER_FPS, OffloadRenderer
from octogym.envs.over_core import OverCore, check_agents, check_single
from octogym.envs.render import RENDER_MODES

__all__ = ["OffloadParallelEnv", "env", "parallel_env", "raw_env"]


class OffloadParallelEnv(OverCore, ParallelEnv[str, np.ndarray, np.ndarray]):
    """
    ## Description

    Every camera device detects objects in its own frames. The crops can be worked on there, on another camera's device
    or on a server. Crowds move from camera to camera, so that what is over is now here, now there; sending crops costs
    time on the links. Every camera device has an agent, which says every 15 s, or sooner where a device is newly
    overloaded, which part of its crops goes where. The problem is that of OctoCross (ICSOC 2025): the share of crops
    from device i to device j is its matrix entry M_ij. Numbers and order of events are those of `docs/contract.md`.

    The backend is a trace-driven simulator or a rack of real devices. Nothing else changes between the two.

    ## Action Space

    `Box(-1, 1, (T,))`, float32, the same T for all agents: own device, `top_k` neighbours, servers, in a fixed order
    (`env.targets(agent)`). Neighbours are those with the largest capacity, equal ones spread over the agents. An agent
    that can reach fewer has empty places.

    share = (a + 1) / 2; targets that are not there get 0; then divided by the sum; all 0 means all local. A target is
    there if its device is present and an instance on it active (`infos[agent]["target_mask"]`); that is looked at
    again in every second. Shares become thousandths by largest remainder and are stated in every second, so that
    they never expire.

    ## Observation Space

    `Box`, float32, shape (H + 3 + 8 T,), H = `history`. Values at the end of the step. Demand, load and capacity are
    crops/s; a device's capacity is what it sustains with the scenario's settings beside its own detector (OctoCross'
    C_n times the frame rate).

    | Index     | Observation                                              | Unit            | Min | Max |
    |-----------|----------------------------------------------------------|-----------------|-----|-----|
    | 0 to H-1  | own demand in each of the last H seconds, oldest first   | own capacity    | 0   | 10  |
    | H         | rate of the own uplink                                   | 100 Mbit/s      | 0   | 10  |
    | H+1       | part of the last second in which the uplink was busy     |                 | 0   | 1   |
    | H+2       | messages waiting for the uplink (Q5)                     | 100 messages    | 0   | 1   |
    | then for each of the T targets (all 0 for an empty place):                                                 ||||
    | +0        | it is there                                              |                 | 0   | 1   |
    | +1        | share in force                                           |                 | 0   | 1   |
    | +2        | its capacity                                             | own capacity    | 0   | 10  |
    | +3        | its load, after offloading, mean of the last 3 s         | its capacity    | 0   | 10  |
    | +4        | requests waiting there (Q1)                              | 100 requests    | 0   | 1   |
    | +5        | physical view                                            |                 | 0   | 1   |
    | +6        | network view                                             |                 | 0   | 1   |
    | +7        | resource view                                            |                 | 0   | 1   |

    Before H seconds have passed the missing ones hold the first value seen; at the reset all are 0.

    Adjacency views, from agent i to device j, 0 for i = j and where either is away:

    - physical: largest Pearson correlation of i's demand with j's 0, 2, ... 30 s later, at least 0, over the episode so
      far; 0 for servers and before 30 pairs were seen. Nothing of a trace is used before it was seen.
    - network: exp(-(time of one crop from i to j / 20 ms)^2), 0 below 0.1; time = link latency + size / slower link.
    - resource: part of j's capacity that its load leaves.

    `state()` is one float32 vector, `state_dict()` its parts by name, in this order: `history` [N, H]; `physical`,
    `network`, `resource` [N, M]; `load`, `queue` [M]; `shares` [N, T]; `present` [M]. M devices (`env.devices`): the
    agents', then other targets, servers last. Units and bounds as above.

    ## Rewards

    One reward for the team, the same for every agent whose device is present at the end of the step: the sum over the
    step's seconds of (results on time - 0.05 crops sent to other devices) / (15 x mean results/s of the scenario).
    Crops sent are counted as they leave, in bytes over the uplinks of camera devices by the size of a first crop. As
    it is a sum over seconds, cutting a step changes no sum; a learner discounts by gamma^(window_s / 15).

    ## Starting State

    Every instance has the scenario's initial settings and empty queues, all shares are the scenario's. The seed draws
    the load (the scenario's load programme). Environment e of a batch uses seed + e.

    ## Episode End

    A step ends after 15 s, or at an overload: a device whose load was within its capacity at the last decision and no
    longer is, or a queue that was at most 50 at the last decision and no longer is; never within 3 s of a decision.
    With `interrupt=False` every step takes 15 s. The step at the horizon is as short as it must be.

    The task goes on for ever: no agent is ever terminated. All agents are truncated together after `horizon` seconds.
    Their last infos hold `figures`: those of `batching_v0`, with `reward`, the sum of the team's rewards, and
    `offloaded` crops.

    `agents` is constant within an episode. When a device is lost its agent stays: observation frozen, reward 0,
    actions ignored (its crops stay local until its next decision), `infos[agent]["present"]` False, `["mask"]` 0,
    `["age_s"]` the age of what is known.

    ## Arguments

    ```python
    from octogym.envs import offload_v0
    env = offload_v0.parallel_env(scenario="campus-8", backend="sim", horizon=300, render_mode=None)
    ```

    - `scenario`: a name (`octogym.scenarios()`), a TOML file or a `Scenario`; it must have routes from camera devices'
      first stages to several devices.
    - `backend`: `"sim"`, another registered name, or what names a scenario of its own: a rack file, a recorded run
      (`"run.parquet"`), a `Backend`.
    - `horizon`: seconds of cluster time per episode; the scenario's if None.
    - `render_mode`: None, `"human"` (the table in the terminal, renewed in every step), `"ansi"` (the table as text),
      `"rgb_array"`.
    - `interrupt`: whether an overload ends a step.
    - `top_k`: neighbours per agent, at most those that there are.
    - `history`: H.
    - `others`: policy for the settings of all instances, and for shares that are not the agents': a name
      (`octogym.make_policy`), a `Policy`, or None: the scenario's own. What the policy does not set is the scenario's.
    - `results_per_s`: instead of the scenario's mean, which is that of its episodes with seeds 0 to 7.
    - `randomise`: keys of the load programme drawn anew for each episode, as in `batching_v0`.

    `reset(options=...)` takes `trace_offset_s` (seconds into the traces) and `overrides` (keys of the load programme).

    Infos: `t_s`; of the step `window_s`, `interrupted`, `team_reward`; of all pipelines' leaf results in the step
    `results_generated`, `results_on_time`, `results_late`, `results_dropped`, `results_missed`, `results_lost`, and
    `results_in_flight`, `results_overdue` after it; `present`, `mask`, `fresh`, `age_s`; of how well the agent's device
    is heard, as in `batching_v0`, `late` (in the step), `missed`, `fault`, `safe_active`, `acted_window` (of 1 s);
    `target_mask` int8 [T], which targets are there; `shares` [T] in force; `demand` (last second), `load` (last 3 s),
    `capacity` (all crops/s), `overloaded`; `offloaded`, crops sent in the step.

    ## Vectorized environment

    `octogym.envs.offload.vector.OffloadVectorEnv` steps E clusters in one call, with steps of 15 s. One controller for
    the whole cluster:

    ```python
    one = gymnasium.make("octogym:octogym/OffloadCentral-v0", scenario="campus-8")
    many = gymnasium.make_vec("octogym:octogym/OffloadCentral-v0", num_envs=64, vectorization_mode="vector_entry_point")
    ```

    ## Version History

    - v0: Initial version.
    """

    _core: OffloadCore
    metadata: ClassVar[dict[str, Any]] = {
        "name": "offload_v0",
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
        self.possible_agents = list(core.agents)
        self.agents: list[str] = []
        self._observation_spaces = {agent: core.problem.observation_space() for agent in core.agents}
        self._action_spaces = {agent: core.problem.action_space() for agent in core.agents}
        self.state_space = core.problem.state_space()

    @property
    def devices(self) -> tuple[str, ...]:
        """Ids of the M devices of `state_dict()`: the agents', then other targets, servers last."""
        return tuple(self._core.cluster.devices[d].id for d in self._core.layout.node_device)

    def targets(self, agent: str) -> tuple[str | None, ...]:
        """Ids of the T devices that an agent's action is about, in order; None for an empty place."""
        return self._core.layout.names(self._core.agents.index(agent))

    def observation_space(self, agent: str) -> spaces.Box:
        return self._observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Box:
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
        names = enumerate(self.possible_agents)
        return (
            {agent: frame.observation[0, n].copy() for n, agent in names},
            {agent: frame.info(0, n) for n, agent in enumerate(self.possible_agents)},
        )

    def step(
        self, actions: dict[str, np.ndarray]
    ) -> tuple[dict[str, np.ndarray], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """One step, up to 15 s, under `actions`, which hold T numbers for every agent.

        Raises:
            ValueError: an action is missing, is out of range or of the wrong shape, or is for nobody.
            gymnasium.error.ResetNeeded: there is no episode.
        """
        if not self.agents:
            if actions or self._core.frame is None:
                raise ResetNeeded("step: no episode is running; call reset() first")
            return {}, {}, {}, {}, {}
        names, core = self.possible_agents, self._core
        check_agents(actions, names)
        core.decide(table_of(actions, core.layout))
        frame = core.advance()
        done = bool(frame.truncated[0])
        if done:
            self.agents = []
        if self.render_mode == "human":
            self.render()
        return (
            {agent: frame.observation[0, n].copy() for n, agent in enumerate(names)},
            dict(zip(names, frame.reward[0].tolist(), strict=True)),
            dict.fromkeys(names, False),
            dict.fromkeys(names, done),
            {agent: frame.info(0, n) for n, agent in enumerate(names)},
        )

    def render(self) -> str | np.ndarray | None:
        """The cluster as text (`ansi`) or picture (`rgb_array`, uint8 [H, W, 3]), by `render_mode`."""
        return self._renderer.render()

    def state(self) -> np.ndarray:
        """float32 vector: the parts of `state_dict()`, one after the other."""
        return np.concatenate([part.ravel() for part in self.state_dict().values()])

    def state_dict(self) -> dict[str, np.ndarray]:
        """The state by name, float32; copies."""
        if self._core.frame is None:
            raise ResetNeeded("state: no episode has begun; call reset() first")
        return {name: part[0].copy() for name, part in self._core.frame.parts.items()}

    def close(self) -> None:
        """Close the backend, if this environment made it."""
        self._core.close()


def parallel_env(**kwargs: Any) -> OffloadParallelEnv:
    """The environment for PettingZoo's parallel API; arguments as `OffloadParallelEnv`."""
    return OffloadParallelEnv(**kwargs)


def raw_env(**kwargs: Any) -> AECEnv[str, np.ndarray, np.ndarray | None]:
    """The environment for the AEC API, without wrappers."""
    return parallel_to_aec_wrapper(OffloadParallelEnv(**kwargs))


def env(**kwargs: Any) -> AECEnv[str, np.ndarray, np.ndarray | None]:
    """The environment for the AEC API; checks the order of calls."""
    return OrderEnforcingWrapper(raw_env(**kwargs))
