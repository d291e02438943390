"""The table and the picture."""

from __future__ import annotations

import gymnasium
import numpy as np
import pytest
from gymnasium.error import ResetNeeded

from octogym.envs import batching_v0
from octogym.envs.bitmap_font import HEIGHT, WIDTH, text_mask
from octogym.envs.picture import POOR, TROUGH
from octogym.envs.render import RENDER_MODES
from tests.envs.toy_backend import Scripted, ToyBackend


def make(mode: str | None, **window: object) -> batching_v0.BatchingParallelEnv:
    backend = Scripted([window], absent={1: (0, 5)}) if window else ToyBackend(absent={1: (0, 5)})
    env = batching_v0.parallel_env(backend=backend, render_mode=mode)
    env.reset(seed=0)
    return env


def step(env: batching_v0.BatchingParallelEnv) -> None:
    env.step({agent: np.array([0, 3, 1]) for agent in env.agents})


def test_the_table_shows_every_instance_and_who_is_away() -> None:
    env = make("ansi")
    step(env)
    lines = env.render().splitlines()
    assert len(lines) == 2 + 3
    assert lines[0].startswith("toy  t = 1 s of 20 s")
    assert lines[2].split()[:4] == ["node-0/watch.detector", "1", "4", "1+1"]
    assert lines[3].split() == ["node-1/watch.detector", "away"]


def test_the_picture_has_a_row_per_instance_and_changes() -> None:
    env = make("rgb_array")
    step(env)
    first = env.render()
    assert first.dtype == np.uint8 and first.ndim == 3 and first.shape[2] == 3
    step(env)
    second = env.render()
    assert first.shape == second.shape and not np.array_equal(first, second)
    assert not np.shares_memory(first, second)


def test_full_queues_are_drawn_full_and_red() -> None:
    empty, full = (make("rgb_array", queue=held) for held in (0, 100))
    for env in (empty, full):
        step(env)

    def pixels(env: batching_v0.BatchingParallelEnv, colour: tuple) -> int:
        return int((env.render() == np.array(colour, np.uint8)).all(-1).sum())

    # Two instances are there, each with three queues of 70 x 14 pixels.
    assert pixels(full, POOR) - pixels(empty, POOR) == 2 * 3 * 70 * 14
    assert pixels(empty, TROUGH) - pixels(full, TROUGH) == 2 * 3 * 70 * 14


def test_human_mode_follows_every_step(capsys: pytest.CaptureFixture[str]) -> None:
    env = make("human")
    step(env)
    shown = capsys.readouterr().out
    assert shown.count("toy  t = ") == 2 and "t = 1 s" in shown
    assert env.render() is None


def test_without_a_mode_there_is_a_warning() -> None:
    env = make(None)
    with pytest.warns(UserWarning, match="render mode"):
        assert env.render() is None


def test_modes_are_checked_and_need_an_episode() -> None:
    with pytest.raises(ValueError, match=r"render_mode = 'svg'; allowed: None, 'human', 'ansi', 'rgb_array'"):
        make("svg")
    env = batching_v0.parallel_env(backend=ToyBackend(), render_mode="ansi")
    with pytest.raises(ResetNeeded):
        env.render()


@pytest.mark.parametrize("mode", [mode for mode in RENDER_MODES if mode != "human"])
def test_gymnasium_environments_render_too(mode: str) -> None:
    env = gymnasium.make("octogym:octogym/Batching-v0", others=None, render_mode=mode, horizon=2)
    env.reset(seed=0)
    env.step(env.action_space.sample())
    assert env.render() is not None
    env.close()


def test_every_character_that_names_use_has_a_glyph_of_its_own() -> None:
    characters = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz.,:-_/#@%()+=*?"
    seen = {text_mask(character).tobytes() for character in characters}
    assert len(seen) == len(characters)
    box = text_mask("\x01").tobytes()
    assert box not in seen and text_mask("é").tobytes() == box and not text_mask(" ").any()


def test_text_is_as_wide_as_it_says() -> None:
    assert text_mask("abc", 2).shape == (2 * HEIGHT, 2 * 3 * (WIDTH + 1))
    assert np.array_equal(text_mask("ab")[:, : WIDTH + 1], text_mask("a"))
