"""The ways into the environment, ours and other people's, each with actions drawn beforehand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pettingzoo.utils.wrappers import BaseParallelWrapper

from benchmarks._speed.result import need
from benchmarks._speed.timing import Side, stopwatch
from benchmarks._speed.work import random_settings
from octogym.envs import batching_v0
from octogym.envs.core import BatchingCore
from octogym.envs.vector import BatchingVectorEnv

SCENARIO = "scale-16"


@dataclass(frozen=True)
class Path:
    """`step` takes one of `inputs`, `restart` begins an episode with seed 0; `cores`: of every environment object."""

    env: Any
    step: Callable[[Any], Any]
    inputs: Sequence[Any]
    restart: Callable[[], Any]
    cores: tuple[BatchingCore, ...]

    @property
    def core(self) -> BatchingCore:
        return self.cores[0]

    @property
    def environments(self) -> int:
        return sum(core.E for core in self.cores)

    @cached_property
    def overhead(self) -> Side:
        """A side whose time is that outside the compiled kernel; its unit is a step of one environment. Observations,
        which the kernel has made in between, are made after it here, so that they count."""
        for core in self.cores:
            core._step_each = None
        kernel = stopwatch(*((core.backend, "_kernel") for core in self.cores))
        return Side(self.step, self.inputs, self.environments, self.restart, kernel)


def parallel(steps: int, scenario: str = SCENARIO) -> Path:
    env = batching_v0.parallel_env(scenario=scenario)
    inputs = [dict(zip(env.possible_agents, x[0], strict=True)) for x in random_settings(env._core, steps)]
    return Path(env, env.step, inputs, lambda: env.reset(seed=0), (env._core,))


def vector(steps: int, num_envs: int, threads: int = 1) -> Path:
    """A row per agent: 16 `num_envs` of them."""
    env = BatchingVectorEnv(num_envs, SCENARIO, rows="agents", threads=threads)
    inputs = list(random_settings(env._core, steps).reshape(steps, env.num_envs, 3))
    return Path(env, env.step, inputs, lambda: env.reset(seed=0), (env._core,))


def sb3(steps: int, num_envs: int) -> Path:
    """A row per agent."""
    need("stable_baselines3", "stable-baselines3", "train")
    from octogym.envs.adapters.sb3 import BatchingVecEnv

    env = BatchingVecEnv(num_envs, SCENARIO, rows="agents")
    inputs = list(random_settings(env._core, steps).reshape(steps, env.num_envs, 3))

    def restart() -> None:
        env.seed(0)
        env.reset()

    return Path(env, env.step, inputs, restart, (env._core,))


def supersuit(steps: int, num_envs: int, infos: bool = True) -> Path:
    """The same environment and the same rows for Stable-Baselines3, by way of SuperSuit."""
    need("stable_baselines3", "stable-baselines3", "train")
    wrap = need("supersuit", "supersuit", "bench")
    inner = batching_v0.parallel_env(scenario=SCENARIO, homogeneous=True)
    one = wrap.pettingzoo_env_to_vec_env_v1(inner if infos else _WithoutInfos(inner))
    env = wrap.concat_vec_envs_v1(one, num_envs, num_cpus=0, base_class="stable_baselines3")
    inside = [each.par_env for each in env.venv.vec_envs]

    def restart() -> None:
        env.reset()
        for e, each in enumerate(inside):  # SuperSuit 3.11 passes no seed on to an SB3 VecEnv
            each.reset(seed=e)

    cores = tuple(each.unwrapped._core for each in inside)
    inputs = list(random_settings(cores[0], steps * num_envs).reshape(steps, env.num_envs, 3))
    return Path(env, env.step, inputs, restart, cores)


def torchrl(steps: int, num_envs: int) -> Path:
    torch = need("torch", "torch", "train")
    need("torchrl", "torchrl", "train")
    from octogym.envs.adapters.torchrl import BatchingTorchEnv

    torch.set_num_threads(1)
    env = BatchingTorchEnv(num_envs, SCENARIO)
    actions = torch.from_numpy(random_settings(env._core, steps))
    step, restart = _collect(env)
    return Path(env, step, list(actions), restart, (env._core,))


def pettingzoo_wrapper(steps: int) -> Path:
    """TorchRL's own wrapper around one environment; without the infos, which it cannot turn into tensors."""
    torch = need("torch", "torch", "train")
    envs = need("torchrl.envs", "torchrl", "train")
    torch.set_num_threads(1)
    inner = batching_v0.parallel_env(scenario=SCENARIO, homogeneous=True)
    together = envs.MarlGroupMapType.ALL_IN_ONE_GROUP
    env = envs.PettingZooWrapper(_WithoutInfos(inner), return_state=False, categorical_actions=True, group_map=together)
    actions = torch.from_numpy(random_settings(inner._core, steps))[:, 0]
    step, restart = _collect(env)
    return Path(env, step, list(actions), restart, (inner._core,))


def _collect(env: Any) -> tuple[Callable[[Any], None], Callable[[], None]]:
    """`step` and `restart` as TorchRL's collectors call them."""
    now: list[Any] = [None]

    def step(action: Any) -> None:
        now[0]["agents", "action"] = action
        now[0] = env.step_and_maybe_reset(now[0])[1]

    def restart() -> None:
        env.set_seed(0)
        now[0] = env.reset()

    return step, restart


class _WithoutInfos(BaseParallelWrapper):
    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        observations, infos = self.env.reset(seed=seed, options=options)
        return observations, {agent: {} for agent in infos}

    def step(self, actions: dict[str, Any]) -> Any:
        *rest, infos = self.env.step(actions)
        return (*rest, {agent: {} for agent in infos})
