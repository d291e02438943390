"""Checks of a parallel environment: what PettingZoo's own tests leave out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import numpy as np
from gymnasium import spaces
from pettingzoo import ParallelEnv

from octogym.cluster.telemetry import LEAVING
from octogym.testing import rules
from octogym.testing.digest import Digest, difference, digest
from octogym.testing.process import in_another_process
from octogym.testing.rules import require

MakeEnv = Callable[[], ParallelEnv]
Returned = tuple[Any, ...]
#: An episode must end within so many steps, or the check says so.
MOST_STEPS = 2000
_FATES = ("on_time", "late", "dropped", "missed", "lost")


def check_parallel_env(make_env: MakeEnv, seed: int = 0, episodes: int = 3, other_process: bool = True) -> None:
    """Hold an environment against the rules `rules.ENV_*`.

    Args:
        make_env: makes a new environment; its episodes should be short (a horizon of 10 to 100 steps).
        seed: first of the seeds used.
        episodes: how many are compared bit by bit.
        other_process: compare with a fresh Python process, too (a second or two).

    Raises:
        BrokenRule: naming the rule and what was found.
    """
    check_spaces(make_env, seed)
    check_determinism(make_env, seed, episodes)
    if other_process:
        check_other_process(make_env, seed, episodes)
    check_ownership(make_env, seed)
    check_ends(make_env, seed)
    check_absence(make_env, seed)
    check_bad_actions(make_env, seed)
    check_accounting(make_env, seed)


def check_spaces(make_env: MakeEnv, seed: int = 0) -> None:
    """Observations lie in their spaces, which are the same objects throughout."""
    env = make_env()
    held = {agent: (env.observation_space(agent), env.action_space(agent)) for agent in env.possible_agents}
    for returned in _episode(env, seed):
        observations = returned[0]
        for agent in env.possible_agents:
            space, action_space = held[agent]
            same = env.observation_space(agent) is space and env.action_space(agent) is action_space
            require(same, rules.ENV_SAME_SPACES, f"agent {agent!r} got another object")
            value = observations.get(agent)
            require(
                value is not None and space.contains(value),
                rules.ENV_API,
                f"observation of {agent!r} is {value!r}, not in {space}",
            )
        for part in returned[1:]:
            require(
                isinstance(part, dict) and set(part) == set(env.possible_agents), rules.ENV_API, f"keys of {part!r}"
            )
    env.close()


def check_determinism(make_env: MakeEnv, seed: int = 0, episodes: int = 3) -> None:
    """Two environments agree bit by bit, the second with an episode of another seed before."""
    first, second = make_env(), make_env()
    for _ in _episode(second, seed + 1):
        break
    for k, (one, two) in enumerate(zip(_play(first, seed, episodes), _play(second, seed, episodes), strict=True)):
        found = difference(one, two)
        require(found is None, rules.ENV_DETERMINISM, f"step {k}, (observations, rewards, ...){found}")
    first.close()
    second.close()


def check_other_process(make_env: MakeEnv, seed: int = 0, episodes: int = 3) -> None:
    """A fresh process gives the same bytes."""
    here, there = _fingerprint(make_env, seed, episodes), in_another_process(_fingerprint, make_env, seed, episodes)
    require(here == there, rules.ENV_PROCESS, f"SHA-256 {here[:16]}... here, {there[:16]}... there")


def check_ownership(make_env: MakeEnv, seed: int = 0) -> None:
    """Returned data stay as they were; data spoilt by the user spoil nothing."""
    env, spoilt = make_env(), make_env()
    before: Returned | None = None
    kept: Returned = ()
    for k, (returned, other) in enumerate(zip(_play(env, seed, 2), _play(spoilt, seed, 2), strict=True)):
        found = difference(returned, other)
        require(
            found is None, rules.ENV_OWNERSHIP, f"step {k} changed after the user wrote into what came before: {found}"
        )
        if before is not None:
            found = difference(before, kept)
            require(found is None, rules.ENV_OWNERSHIP, f"step {k} changed what step {k - 1} had returned: {found}")
        before, kept = returned, deepcopy(returned)
        _spoil(other)
    env.close()
    spoilt.close()


def check_ends(make_env: MakeEnv, seed: int = 0) -> None:
    """Nobody is terminated; all are truncated together; then nothing goes on without reset()."""
    env = make_env()
    for _ in range(2):
        agents: list[str] = []
        for k, returned in enumerate(_episode(env, seed)):
            if k == 0:
                agents = list(env.agents)
                require(set(agents) == set(env.possible_agents), rules.ENV_TRUNCATION, f"agents at the start: {agents}")
                continue
            _, _, terminations, truncations, infos = returned
            require(not any(terminations.values()), rules.ENV_NO_TERMINATION, f"step {k}: {terminations}")
            require(len(set(truncations.values())) == 1, rules.ENV_TRUNCATION, f"step {k}: {truncations}")
            over = all(truncations.values())
            require(
                list(env.agents) == ([] if over else agents), rules.ENV_TRUNCATION, f"step {k}: agents {env.agents}"
            )
            shown = ["figures" in infos[agent] for agent in agents]
            require(all(shown) if over else not any(shown), rules.ENV_FIGURES, f"step {k}, end {over}: {shown}")
        actions = {agent: env.action_space(agent).sample() for agent in agents}
        try:
            env.step(actions)
        except Exception:  # any error will do
            continue
        require(False, rules.ENV_AFTER_END, "step() went on")
    env.close()


def check_absence(make_env: MakeEnv, seed: int = 0) -> None:
    """What the infos call absent is still, and deaf. (Says nothing if no device is ever absent.)"""
    env, other = make_env(), make_env()
    before: Returned | None = None
    plays = zip(_play(env, seed, 2), _play(other, seed, 2, silent_absent=True), strict=True)
    for k, (returned, twin) in enumerate(plays):
        found = difference(returned, twin)
        require(found is None, rules.ENV_ABSENT, f"step {k}: an absent agent's action changed {found}")
        observations, infos = returned[0], returned[-1]
        for agent, info in infos.items():
            if info.get("present", True) or len(returned) == 2:
                continue
            require(returned[1][agent] == 0.0, rules.ENV_ABSENT, f"step {k}: {agent!r} got reward {returned[1][agent]}")
            require(info["mask"] == 0, rules.ENV_ABSENT, f"step {k}: {agent!r} has mask {info['mask']}")
            same = before is None or digest(observations[agent]) == digest(before[0][agent])
            require(same, rules.ENV_ABSENT, f"step {k}: the observation of {agent!r} moved")
        before = returned
    env.close()
    other.close()


def check_bad_actions(make_env: MakeEnv, seed: int = 0) -> None:
    """Wrong shapes, indices out of range, fractions and missing agents raise ValueError naming the agent."""
    env = make_env()
    env.reset(seed=seed)
    for agent in env.possible_agents:
        space = env.action_space(agent)
        if not isinstance(space, spaces.MultiDiscrete):
            continue
        good = {a: _sample(env, a) for a in env.agents}
        wrong: dict[str, Any] = {
            "too large": space.nvec.copy(),
            "negative": np.full(space.shape, -1),
            "one value short": np.zeros(len(space.nvec) - 1, np.int64),
            "fractions": np.zeros(space.shape, np.float64),
        }
        for what, value in wrong.items():
            _refused(env, {**good, agent: value}, agent, what)
        _refused(env, {a: x for a, x in good.items() if a != agent}, agent, "missing")
    env.close()


def check_accounting(make_env: MakeEnv, seed: int = 0) -> None:
    """Requests and leaf results add up in what the infos say. (Says nothing about environments without such infos.)"""
    env = make_env()
    held: dict[str, int] = {}
    total: dict[str, int] = {}
    for k, returned in enumerate(_play(env, seed, 2)):
        infos = returned[-1]
        if len(returned) == 2:
            held, total = {}, {}
        for agent, info in infos.items():
            if "in_stage" not in info or not info.get("fresh", True):
                held.pop(agent, None)
                continue
            if agent in held:
                left, right = info["arrived"] + held[agent], sum(info[n] for n in LEAVING) + info["in_stage"]
                require(left == right, rules.ENV_ACCOUNTING, f"step {k}, {agent!r}: {left} and {right}")
            held[agent] = info["in_stage"]
        info = next(iter(infos.values()))
        if "results_generated" not in info:
            continue
        for name in ("generated", *_FATES):
            total[name] = total.get(name, 0) + info["results_" + name]
        right = sum(total[name] for name in _FATES) + info["results_in_flight"]
        require(total["generated"] == right, rules.ENV_RESULTS, f"step {k}: {total['generated']} and {right}")
    env.close()


def _refused(env: ParallelEnv, actions: dict[str, Any], agent: str, what: str) -> None:
    try:
        env.step(actions)
    except ValueError as error:
        require(agent in str(error), rules.ENV_BAD_ACTION, f"{what}, for {agent!r}: {error}")
        return
    except Exception as error:
        require(False, rules.ENV_BAD_ACTION, f"{what}, for {agent!r}: {type(error).__name__}: {error}")
    require(False, rules.ENV_BAD_ACTION, f"{what}, for {agent!r}: accepted")


def _sample(env: ParallelEnv, agent: str) -> Any:
    return env.action_space(agent).sample()


def _seed_spaces(env: ParallelEnv, seed: int) -> None:
    for n, agent in enumerate(env.possible_agents):
        env.action_space(agent).seed(seed + n)


def _episode(env: ParallelEnv, seed: int | None, silent_absent: bool = False) -> Iterator[Returned]:
    """What reset() and every step() of one episode return, under sampled actions."""
    returned: Returned = env.reset(seed=seed)
    # Absence is read before the user can spoil what was returned.
    absent = _absent(returned[-1])
    yield returned
    for _ in range(MOST_STEPS):
        if not env.agents:
            return
        actions = {agent: _sample(env, agent) for agent in env.agents}
        if silent_absent:
            actions.update({agent: np.zeros_like(actions[agent]) for agent in absent if agent in actions})
        returned = env.step(actions)
        absent = _absent(returned[-1])
        yield returned
    if env.agents:
        raise ValueError(f"make_env: an episode takes more than {MOST_STEPS} steps; make one with a shorter horizon")


def _absent(infos: dict[str, Any]) -> list[str]:
    return [agent for agent, info in infos.items() if not info.get("present", True)]


def _play(env: ParallelEnv, seed: int, episodes: int, silent_absent: bool = False) -> Iterator[Returned]:
    """Several episodes, the first with `seed`, the later ones going on from it."""
    _seed_spaces(env, seed)
    for n in range(episodes):
        yield from _episode(env, seed if n == 0 else None, silent_absent)


def _fingerprint(make_env: MakeEnv, seed: int, episodes: int) -> str:
    env, made = make_env(), Digest()
    for returned in _play(env, seed, episodes):
        made.feed(returned)
    env.close()
    return made.hex()


def _spoil(returned: Returned) -> None:
    for observation in returned[0].values():
        if isinstance(observation, np.ndarray) and observation.flags.writeable:
            observation[...] = -1
    for part in returned[1:]:
        for value in part.values():
            if isinstance(value, dict):
                value.clear()
