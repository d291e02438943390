"""`rack_v0`: batching of every model instance and offloading of every camera device, together."""

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
from octogym.envs.core import BatchingCore
from octogym.envs.custom import Observation, Reward
from octogym.envs.offload.actions import table_of
from octogym.envs.offload.problem import HISTORY
from octogym.envs.over_core import OverCore, check_agents, check_single
from octogym.envs.rack.core import RackCore
from octogym.envs.rack.frame import RackFrame
from octogym.envs.rack.render import RackRenderer
from octogym.envs.render import RENDER_FPS, RENDER_MODES
from octogym.envs.spaces import rows_of

__all__ = ["RackParallelEnv", "env", "parallel_env", "raw_env"]

#: The scenario where none is named.
QUICK_START = "campus-16-rack"


class RackParallelEnv(OverCore, ParallelEnv[str, np.ndarray, np.ndarray]):
    """
    ## Description

    The whole rack: `batching_v0` and `offload_v0` in one environment. An agent of every model instance sets packing,
    batch size and threads once a second (FCPO); an agent of every camera device says every 15 s, or sooner where a
    device is newly overloaded, which part of its crops goes to which device (OctoCross). Each half is the other's
    world: shares decide how many requests an instance gets, settings decide how many a device can take.

    The two halves are exactly those of `octogym.envs.batching_v0` and `octogym.envs.offload_v0`, whose pages have the
    details of spaces, rewards and infos; this page says how they fit together.

    A step takes 1 s. Agents of instances have the instance's id (`"node01/campus.yolov5n"`; instances with
    `agent = true`), agents of camera devices the device's (`"node01"`).

    ## Action Space

    | Agent         | Space                     | Counts                                          |
    |---------------|---------------------------|-------------------------------------------------|
    | instance      | `MultiDiscrete([R, B, M])`| in every step                                   |
    | camera device | `Box(-1, 1, (T,))`        | where the last `infos[agent]["due"]` was True   |

    A camera device's action that is not due is checked and then ignored. Its shares stand until the next one.

    ## Observation Space

    | Agent         | Space, float32        | Content                                                                |
    |---------------|-----------------------|------------------------------------------------------------------------|
    | instance      | `Box`, (8,)           | `batching_v0`'s                                                        |
    | camera device | `Box`, (H + 4 + 8 T,) | `offload_v0`'s, then the time to its next action, in units of 15 s:    |
    |               |                       | 0 if it is due, 1/15 to 14/15; an overload may bring it forward        |

    `state()` is one float32 vector, `state_dict()` its parts by name, in this order: `instances` [A, 8] and `devices`
    [D] (`batching_v0`'s state, of the instances with agents); `history`, `physical`, `network`, `resource`, `load`,
    `queue`, `shares`, `present` (`offload_v0`'s); `wait` [1], the time to the next action of camera devices.

    ## Rewards

    An instance: FCPO's Eq. 1 in every step. A camera device: `offload_v0`'s team reward, summed since its last action
    and paid where the next is due, and at the end of the episode; 0 between. Its learner discounts by
    gamma^(since_s / 15), as in `offload_v0`.

    ## Starting State

    Every instance has the scenario's initial settings and empty queues, all shares are the scenario's, all actions are
    due. The seed draws the load (the scenario's load programme).

    ## Episode End

    The task goes on for ever: no agent is ever terminated. All agents are truncated together after `horizon` seconds;
    then rewards are paid and infos say `due`. The last infos hold `figures`: those of `batching_v0`, with `reward`, the
    sum of the team's rewards, and `offloaded` crops.

    `agents` is constant within an episode. When a device is lost its agents stay: observations frozen, reward 0,
    actions ignored, `infos[agent]["present"]` False, `["mask"]` 0, `["age_s"]` the age of what is known.

    ## Arguments

    ```python
    from octogym.envs import rack_v0
    env = rack_v0.parallel_env(scenario="campus-16-rack", backend="sim", horizon=300, render_mode=None)
    ```

    - `scenario`: a name (`octogym.scenarios()`), a TOML file or a `Scenario`; it must have instances with
      `agent = true` and routes from camera devices' first stages to several devices.
    - `backend`: `"sim"`, another registered name, or what names a scenario of its own: a rack file, a recorded run
      (`"run.parquet"`), a `Backend`.
    - `horizon`: seconds of cluster time per episode; the scenario's if None.
    - `render_mode`: None, `"human"` (the tables in the terminal, renewed in every step), `"ansi"` (the tables as text),
      `"rgb_array"`.
    - `interrupt`: whether an overload brings the camera devices' next action forward.
    - `top_k`, `history`, `results_per_s`: as in `offload_v0`.
    - `others`: policy for instances without agents, and for shares that are not the agents': a name
      (`octogym.make_policy`), a `Policy`, or None: the scenario's own. What the policy does not set is the scenario's;
      what it sets for instances with agents does not count.
    - `homogeneous`, `rate`, `reward`, `observation`, `observation_space`: of the instances' agents, as in
      `batching_v0`. Callables see the arrays of all instances.
    - `randomise`: keys of the load programme drawn anew for each episode, as in `batching_v0`.

    `reset(options=...)` takes `trace_offset_s` (seconds into the traces) and `overrides` (keys of the load programme).

    Infos of an instance: `batching_v0`'s, and `due`, always True. Of a camera device: `t_s`; `results_*` of the step as
    in `batching_v0`; `due`, `wait_s` (seconds to the next action, 0 if it is due); of the time since the last action
    `since_s`, `team_reward`, and whether an overload ended it, `interrupted`; `present`, `mask`, `fresh`, `age_s`;
    `late` since the last action, `missed`, `fault`, `safe_active`, `acted_window`; `target_mask`, `shares`, `demand`,
    `load`, `capacity`, `overloaded` as in `offload_v0`, `offloaded` of the step.

    ## Version History

    - v0: Initial version.
    """

    _core: RackCore
    metadata: ClassVar[dict[str, Any]] = {
        "name": "rack_v0",
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
        homogeneous: bool = False,
        rate: str = "fresh",
        reward: Reward | None = None,
        observation: Observation | None = None,
        observation_space: spaces.Box | None = None,
        randomise: Mapping[str, Any] | None = None,
    ) -> None:
        if scenario is None and isinstance(backend, str):
            scenario = QUICK_START
        custom = (reward, observation, observation_space, homogeneous, randomise)
        batching = BatchingCore(scenario, backend, 1, horizon, rate, *custom)
        check_single(batching.E)
        core = self._core = RackCore(batching, interrupt, top_k, history, others, results_per_s)
        self.render_mode = render_mode
        self._renderer = RackRenderer(core, render_mode)
        #: Agents of instances, in the order of the scenario, and of camera devices.
        self.instance_agents, self.device_agents = core.agents, core.problem.agents
        self.possible_agents = [*self.instance_agents, *self.device_agents]
        self.agents: list[str] = []
        self._observation_spaces = {agent: core.batching.observation_space() for agent in core.agents}
        self._observation_spaces.update({agent: core.offload_space() for agent in core.problem.agents})
        self._action_spaces: dict[str, spaces.Space[np.ndarray]] = {}
        for agent, s in zip(core.agents, core.columns.tolist(), strict=True):
            self._action_spaces[agent] = core.batching.action_space(s)
        self._action_spaces.update({agent: core.problem.action_space() for agent in core.problem.agents})
        self.state_space = core.state_space()

    @property
    def devices(self) -> tuple[str, ...]:
        """Ids of the M devices of `state_dict()`'s offloading parts: the agents', then other targets, servers last."""
        return tuple(self._core.cluster.devices[d].id for d in self._core.problem.layout.node_device)

    def targets(self, agent: str) -> tuple[str | None, ...]:
        """Ids of the T devices that a camera device's action is about, in order; None for an empty place."""
        return self._core.problem.layout.names(self.device_agents.index(agent))

    def observation_space(self, agent: str) -> spaces.Box:
        return self._observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Space[np.ndarray]:
        return self._action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, dict[str, Any]]]:
        """Begin an episode. `seed=None` goes on with the random sequence of the last seed.

        Raises:
            ValueError: an option other than `trace_offset_s` and `overrides`.
        """
        frame = self._core.reset(seed, options)
        self.agents = self.possible_agents[:]
        if self.render_mode == "human":
            self.render()
        return self._observations(frame), self._infos(frame)

    def step(
        self, actions: dict[str, np.ndarray]
    ) -> tuple[dict[str, np.ndarray], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]]:
        """One second under `actions`: 3 integers for every instance's agent, T numbers for every camera device's.

        Raises:
            ValueError: an action is missing, is out of range or of the wrong shape, or is for nobody.
            gymnasium.error.ResetNeeded: there is no episode.
        """
        core, names = self._core, self.possible_agents
        if not self.agents:
            if actions or core.frame is None:
                raise ResetNeeded("step: no episode is running; call reset() first")
            return {}, {}, {}, {}, {}
        check_agents(actions, names)
        settings = rows_of(actions, core.agents, core.batching.accepted[core.columns])
        core.decide(settings, table_of(actions, core.problem.layout))
        frame = core.advance()
        if frame.over:
            self.agents = []
        if self.render_mode == "human":
            self.render()
        rewards = [*frame.batching.reward[0, core.columns].tolist(), *frame.reward.tolist()]
        return (
            self._observations(frame),
            dict(zip(names, rewards, strict=True)),
            dict.fromkeys(names, False),
            dict.fromkeys(names, frame.over),
            self._infos(frame),
        )

    def render(self) -> str | np.ndarray | None:
        """The cluster as text (`ansi`) or picture (`rgb_array`, uint8 [H, W, 3]), by `render_mode`."""
        return self._renderer.render()

    def state(self) -> np.ndarray:
        """float32 vector: the parts of `state_dict()`, one after the other."""
        return np.concatenate([part.ravel() for part in self.state_dict().values()])

    def state_dict(self) -> dict[str, np.ndarray]:
        """The state by name, float32; copies."""
        return self._core.state_dict()

    def close(self) -> None:
        """Close the backend, if this environment made it."""
        self._core.close()

    def _observations(self, frame: RackFrame) -> dict[str, np.ndarray]:
        seen = zip(self.instance_agents, frame.batching.observation[0, self._core.columns], strict=True)
        return {**dict(seen), **dict(zip(self.device_agents, frame.observation.copy(), strict=True))}

    def _infos(self, frame: RackFrame) -> dict[str, dict[str, Any]]:
        owners = zip(self.instance_agents, self._core.columns.tolist(), strict=True)
        infos: dict[str, dict[str, Any]] = {agent: frame.instance_info(s) for agent, s in owners}
        infos.update({agent: frame.device_info(n) for n, agent in enumerate(self.device_agents)})
        return infos


def parallel_env(**kwargs: Any) -> RackParallelEnv:
    """The environment for PettingZoo's parallel API; arguments as `RackParallelEnv`."""
    return RackParallelEnv(**kwargs)


def raw_env(**kwargs: Any) -> AECEnv[str, np.ndarray, np.ndarray | None]:
    """The environment for the AEC API, without wrappers."""
    return parallel_to_aec_wrapper(RackParallelEnv(**kwargs))


def env(**kwargs: Any) -> AECEnv[str, np.ndarray, np.ndarray | None]:
    """The environment for the AEC API; checks the order of calls."""
    return OrderEnforcingWrapper(raw_env(**kwargs))
