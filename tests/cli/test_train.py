"""`octogym train`: what it leaves runs with `octogym run`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from octogym.agents.fcpo.file import read_fcpo
from octogym.agents.fcpo.settings import FcpoSettings
from octogym.cli import main

SHORT = ["--agent", "steps=10", "--agent", "steps_max=10", "--horizon", "50", "--quiet"]


def test_a_trained_policy_runs_learning_on_and_frozen(tmp_path: Path, capsys) -> None:
    out = tmp_path / "fcpo"
    assert main(["train", "fcpo", "scale-4", "--episodes", "10", "--out", str(out), *SHORT]) == 0
    assert "federated rounds" in capsys.readouterr().out
    file = out / "policy.safetensors"
    run = ["run", "scale-4", "--horizon", "12", "--seed", "0", "--no-plots", "--no-parquet", "--json"]
    for n, policy in enumerate((f"fcpo:{file}", f"fcpo:{file},frozen")):
        assert main([*run, "--policy", policy, "--out", str(tmp_path / str(n))]) == 0
        assert json.loads(capsys.readouterr().out)


def test_several_seeds_have_a_checkpoint_each(tmp_path: Path) -> None:
    out = tmp_path / "plus"
    arguments = ["train", "fcpo", "scale-4", "--plus", "--seeds", "2..3", "--episodes", "1", "--out", str(out), *SHORT]
    assert main([*arguments, "--agent", "price=1.5"]) == 0
    settings = read_fcpo(out / "seed-2" / "policy.safetensors").settings
    assert settings.price == 1.5 and settings.iagent.steps == 10 and settings.batch == FcpoSettings.plus().batch
    assert (out / "seed-3" / "policy.safetensors").exists()
    assert main([*arguments, "--agent", "price=1.5"]) == 2  # it does not overwrite a run
    assert main([*arguments, "--agent", "price=1.5", "--resume"]) == 0


@pytest.mark.parametrize(
    ("method", "more"),
    [("bcedge", ["--episodes", "1", "--agent", "experiences=50"]), ("ippo", ["--episodes", "1", "--envs", "1"])],
)
def test_rivals_train_from_the_command_line(method: str, more: list[str], tmp_path: Path, capsys) -> None:
    horizon = [] if method == "bcedge" else ["--horizon", "50"]
    assert main(["train", method, "scale-4", "--out", str(tmp_path), "--quiet", *horizon, *more]) == 0
    assert (tmp_path / "policy.safetensors").exists() and "policy.safetensors" in capsys.readouterr().out


@pytest.mark.parametrize("method", ["distream-offload", "gnn-lstm", "temp-abl", "spat-abl"])
def test_its_rivals_train_alike(method: str, tmp_path: Path, capsys) -> None:
    more = ["--steps", "2", "--episodes", "1", "--quiet", "--threads", "1", "--out", str(tmp_path)]
    assert main(["train", method, "campus-8", "--traces", "synthetic", *more]) == 0
    assert (tmp_path / "policy.safetensors").exists() and "seed 0: 2 steps" in capsys.readouterr().out


def test_a_learned_offloader_trains_from_the_command_line(tmp_path: Path) -> None:
    more = ["--episodes", "1", "--envs", "2", "--horizon", "40", "--agent", "rollout=2", "--quiet", "--threads", "1"]
    arguments = ["train", "mappo-offload", "campus-8", "--traces", "synthetic", *more, "--out", str(tmp_path)]
    assert main(arguments) == 0
    assert (tmp_path / "policy.safetensors").exists()


def test_octocross_trains_from_the_command_line(tmp_path: Path, capsys) -> None:
    more = ["--steps", "2", "--episodes", "1", "--fit", "scale=0", "--fit", "lr=0.01", "--quiet", "--threads", "1"]
    arguments = ["train", "octocross", "campus-8", "--traces", "synthetic", *more]
    assert main([*arguments, "--seeds", "0..1", "--out", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    for seed in (0, 1):
        assert f"seed {seed}: 2 steps" in said and (tmp_path / f"seed-{seed}" / "policy.safetensors").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fcpo", "scale-4", "--agent", "speed=3"], "no such name; there are"),
        (["fcpo", "scale-4", "--agent", "lr"], "expected NAME=VALUE"),
        (["fcpo", "scale-4", "--agent", "lr=-1"], "lr = -1"),
        (["fcpo", "scale-4", "--fed", "weighting=no"], "weighting"),
        (["fcpo", "scale-4", "--episodes", "0"], "episodes = 0"),
        (["fcpo", "nowhere"], "nowhere"),
        (["bcedge", "scale-4", "--envs", "2"], "trained on profiles"),
        (["octocross"], "SCENARIO or --series"),
        (["octocross", "campus-8", "--fit", "speed=3"], "no such name; there are"),
        (["octocross", "campus-8", "--steps", "0"], "steps = 0"),
        (["octocross", "--series", "nowhere.csv"], "nowhere.csv"),
    ],
)
def test_a_users_error_is_one_line_and_code_2(arguments, message, tmp_path: Path, capsys) -> None:
    assert main(["train", *arguments, "--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error
