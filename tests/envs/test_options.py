"""Reset options and domain randomisation."""

from __future__ import annotations

import numpy as np
import pytest

from octogym.envs import batching_v0
from octogym.envs.options import Randomiser, check_options
from octogym.envs.vector import BatchingVectorEnv
from tests.envs.toy_backend import ToyBackend

RANGES = {"load": (0.5, 2.0), "offset": ["common", "none"]}
ALL = np.ones(3, bool)


def drawn(randomiser: Randomiser, seed: object, mask: np.ndarray = ALL, **options: object) -> dict[int, dict]:
    return {int(np.argmax(one)): got["overrides"] for one, got in randomiser.draw(seed, mask, options)}


def test_draws_lie_in_their_ranges_and_change_from_episode_to_episode() -> None:
    randomiser = Randomiser(RANGES, 3)
    draws = [drawn(randomiser, 1 if n == 0 else None) for n in range(20)]
    loads = [draw[e]["load"] for draw in draws for e in range(3)]
    assert all(0.5 <= load <= 2 for load in loads) and len(set(loads)) == 60
    assert {draw[0]["offset"] for draw in draws} == {"common", "none"}


def test_the_seed_decides_and_environments_add_theirs() -> None:
    first, second = Randomiser(RANGES, 3), Randomiser(RANGES, 3)
    drawn(second, 99)
    episodes = [drawn(first, 5), drawn(first, None)]
    assert episodes == [drawn(second, 5), drawn(second, None)]
    alone = Randomiser(RANGES, 1)
    assert drawn(alone, 7, np.ones(1, bool))[0] == episodes[0][2]
    assert drawn(first, [9, 9, 7])[2] == episodes[0][2]


def test_only_the_marked_are_drawn_and_the_users_overrides_win() -> None:
    got = drawn(Randomiser(RANGES, 3), 0, np.array([False, True, False]), overrides={"load": 3.0})
    assert list(got) == [1] and got[1]["load"] == 3.0 and "offset" in got[1]


@pytest.mark.parametrize("value", [(2.0, 1.0), (1.0,), [], "common", 3.0, ("a", "b")])
def test_ranges_must_be_ranges(value: object) -> None:
    with pytest.raises(ValueError, match=r"randomise\['load'\] = .*; allowed: a tuple \(low, high\), or a list"):
        Randomiser({"load": value}, 1)


def test_the_environment_passes_them_on_and_repeats_them() -> None:
    env = batching_v0.parallel_env(backend=ToyBackend(), randomise=RANGES)
    seen = []
    for seed in (3, None, 3):
        env.reset(seed=seed)
        seen.append(env.backend.options["overrides"])
    assert seen[0] == seen[2] != seen[1]


def test_a_batch_draws_what_each_would_draw_alone() -> None:
    class Remembering(ToyBackend):
        def reset(self, seed=None, mask=None, options=None):
            self.seen = getattr(self, "seen", {})
            self.seen[int(np.argmax(mask))] = dict(options)["overrides"]
            return super().reset(seed, mask, options)

    backend = Remembering(num_envs=3)
    BatchingVectorEnv(backend=backend, others=None, randomise=RANGES).reset(seed=4)
    for e in range(3):
        alone = Remembering()
        batching_v0.parallel_env(backend=alone, randomise=RANGES).reset(seed=4 + e)
        assert alone.seen[0] == backend.seen[e]


def test_options() -> None:
    assert check_options(None) == check_options({}) == {}
    # PettingZoo's own API tests reset with this.
    assert check_options({"options": 1}) == {}
    assert check_options({"trace_offset_s": 2}) == {"trace_offset_s": 2}
    with pytest.raises(ValueError, match="'seed'"):
        check_options({"seed": 2})
