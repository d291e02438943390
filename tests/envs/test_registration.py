"""Names under which others find the environments."""

from __future__ import annotations

import subprocess
import sys

import gymnasium
import pettingzoo
import pytest

from octogym.envs import batching_v0, offload_v0, rack_v0, registration


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_gymnasium_finds_them_without_an_import() -> None:
    code = (
        "import gymnasium; env = gymnasium.make('octogym:octogym/Batching-v0'); "
        "print(env.unwrapped.scenario.name, env.spec.id)"
    )
    assert run(code).split() == ["traffic-2", "octogym/Batching-v0"]


def test_registration_is_light_and_quiet() -> None:
    code = (
        "import warnings; warnings.simplefilter('error')\n"
        "import sys, octogym; from octogym.envs import registration; registration.register()\n"
        "heavy = 'numba', 'torch', 'stable_baselines3', 'torchrl', 'octogym.sim'\n"
        "print([module for module in heavy if module in sys.modules])"
    )
    assert run(code).strip() == "[]"


@pytest.mark.parametrize("name", registration.GYMNASIUM)
def test_every_id_has_both_entry_points(name: str) -> None:
    spec = gymnasium.spec(name)
    assert spec.entry_point and spec.vector_entry_point and not spec.nondeterministic
    env = gymnasium.make(name, horizon=2)
    assert env.unwrapped.spec.id == name
    env.close()


@pytest.mark.skipif(not hasattr(pettingzoo, "register"), reason="PettingZoo has a registry from 1.27 on")
@pytest.mark.parametrize("name", registration.PETTINGZOO)
def test_pettingzoo_makes_them(name: str) -> None:
    env = pettingzoo.make("parallel", name, horizon=2)
    kind = {
        "batching_v0": batching_v0.BatchingParallelEnv,
        "offload_v0": offload_v0.OffloadParallelEnv,
        "rack_v0": rack_v0.RackParallelEnv,
    }
    assert type(env) is kind[name.split("/")[1]] and env.metadata["name"] == name.split("/")[1]
    aec = pettingzoo.make("aec", name, horizon=2)
    assert isinstance(aec, pettingzoo.AECEnv) and aec.possible_agents == env.possible_agents
