"""The batching problem as a native TorchRL `EnvBase`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces

from octogym.cluster.backend import Backend
from octogym.cluster.errors import MissingExtra
from octogym.cluster.scenario import Scenario
from octogym.envs import columns as k
from octogym.envs.core import BatchingCore
from octogym.envs.custom import Observation, Reward
from octogym.envs.frame import Frame

try:
    import torch
    from tensordict import TensorDict, TensorDictBase
    from torchrl.data import Binary, Bounded, Composite, MultiCategorical, Unbounded
    from torchrl.envs import EnvBase
except ModuleNotFoundError as error:
    raise MissingExtra("train", "torchrl") from error


class BatchingTorchEnv(EnvBase):
    """E clusters of A agents for TorchRL: batch size [E], agents in a nested group of shape [E, A].

    Keys: `("agents", "observation")` float32 [E, A, 8], `("agents", "action")` int64 [E, A, 3], `("agents",
    "reward")` float32 [E, A, 1], `("agents", "present")` bool [E, A, 1]; `done`, `terminated` (never), `truncated`
    bool [E, 1]. Every agent has the scenario's largest action space; `action_mask` bool [A, sum of head sizes] says
    which indices are its own (larger ones count as its largest). Environments are reset by mask (`_reset`), so that
    `rollout(break_when_any_done=False)` and collectors work; other arguments as
    `octogym.envs.vector.BatchingVectorEnv`.
    """

    batch_locked = True

    def __init__(
        self,
        num_envs: int = 1,
        scenario: str | Scenario | None = None,
        backend: str | Backend = "sim",
        horizon: float | None = None,
        *,
        threads: int = 1,
        rate: str = "fresh",
        reward: Reward | None = None,
        observation: Observation | None = None,
        observation_space: spaces.Box | None = None,
        randomise: Mapping[str, Any] | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        custom = (reward, observation, observation_space, True, randomise)
        core = BatchingCore(scenario, backend, num_envs, horizon, rate, *custom, threads)
        super().__init__(device=device, batch_size=[core.E])
        self._core, self._seed = core, None
        self._next_seed: int | None = None
        E, A = core.E, core.S
        box = core.observation_space()
        low, high = (torch.from_numpy(x).expand(E, A, *box.shape).clone() for x in (box.low, box.high))
        group = (E, A)
        self.observation_spec = Composite(
            agents=Composite(
                observation=Bounded(low, high, (E, A, *box.shape), dtype=torch.float32, device=device),
                present=Binary(shape=(E, A, 1), dtype=torch.bool, device=device),
                shape=group,
            ),
            shape=(E,),
        )
        sizes = torch.from_numpy(core.accepted[0])
        self.action_spec = Composite(
            agents=Composite(action=MultiCategorical(sizes, (E, A, 3), dtype=torch.int64, device=device), shape=group),
            shape=(E,),
        )
        self.reward_spec = Composite(
            agents=Composite(reward=Unbounded((E, A, 1), dtype=torch.float32, device=device), shape=group), shape=(E,)
        )
        flag = {
            name: Binary(shape=(E, 1), dtype=torch.bool, device=device) for name in ("done", "terminated", "truncated")
        }
        self.done_spec = Composite(**flag, shape=(E,))
        cells = [
            [i < own for own, n in zip(row, core.accepted[0], strict=True) for i in range(n)] for row in core.sizes
        ]
        self.action_mask = torch.tensor(cells, device=device)

    @property
    def scenario(self) -> Scenario:
        return self._core.scenario

    @property
    def backend(self) -> Backend:
        return self._core.backend

    def _set_seed(self, seed: int | None) -> None:
        self._next_seed = seed

    def _reset(self, tensordict: TensorDictBase | None = None, **kwargs: Any) -> TensorDictBase:
        mask = None
        if tensordict is not None and "_reset" in tensordict:
            mask = tensordict["_reset"].reshape(self._core.E, -1).any(-1).cpu().numpy()
        seed, self._next_seed = self._next_seed, None
        frame = self._core.reset(seed, mask, kwargs.get("options"))
        return self._tensors(frame, {})

    def _step(self, tensordict: TensorDictBase) -> TensorDictBase:
        core = self._core
        core.decide(tensordict["agents", "action"].cpu().contiguous().numpy())
        frame = core.advance()
        reward = torch.from_numpy(frame.reward)[..., None]
        return self._tensors(frame, {"reward": reward})

    def _tensors(self, frame: Frame, extra: dict[str, torch.Tensor]) -> TensorDictBase:
        core = self._core
        E, A = core.E, core.S
        present = torch.from_numpy(frame.column(k.PRESENT) != 0)[..., None]
        agents = {"observation": torch.from_numpy(frame.observation), "present": present, **extra}
        over = np.zeros((E, 1), bool) if frame.truncated is None else frame.truncated[:, None]
        done = torch.from_numpy(over)
        group = TensorDict(agents, (E, A))
        flags = {"done": done, "terminated": torch.zeros(E, 1, dtype=torch.bool), "truncated": done.clone()}
        made = TensorDict({"agents": group, **flags}, (E,))
        return made if self.device is None or self.device.type == "cpu" else made.to(self.device)

    def close(self, *, raise_if_closed: bool = True) -> None:
        self._core.close()
        super().close(raise_if_closed=raise_if_closed)
