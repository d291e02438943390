"""IPPO and MAPPO checkpoints as policies."""

from __future__ import annotations

import numpy as np
import pytest

from octogym.agents.errors import PolicyError
from octogym.agents.ppo import network
from octogym.agents.ppo.policy import PpoPolicy
from octogym.cluster.registry import load_scenario, make_backend
from octogym.cluster.runner import Runner
from octogym.cluster.tensor_file import TensorFileError, write_tensors
from octogym.testing.policy import check_policy

KINDS = [
    "orin-nano/platedet",
    "orin-nano/yolov5n",
    "rtx3090-server/carbrand",
    "xavier-nx/platedet",
    "xavier-nx/yolov5n",
]
HEADS = (2, 64, 4)


def checkpoint(folder, kinds=KINDS, heads=HEADS, change=None, kind="ppo", **about):
    """A file of random weights."""
    generator = np.random.default_rng(5)
    arrays = network.initial(len(kinds), heads, generator)
    arrays["kind3"] += generator.normal(size=arrays["kind3"].shape).astype(np.float32)
    (change or (lambda a: None))(arrays)
    return write_tensors(folder / "x.safetensors", arrays, kind, {"kinds": kinds, "heads": list(heads), **about})


@pytest.mark.parametrize("option", ["", ",sample"])
def test_it_is_a_policy(scenario, tmp_path, option):
    file = checkpoint(tmp_path)
    check_policy(lambda: PpoPolicy(f"{file}{option}"), scenario)


def test_it_sets_only_what_each_instance_has(scenario, tmp_path):
    policy = PpoPolicy(f"{checkpoint(tmp_path)},sample")
    sizes = np.array([i.action_sizes for i in scenario.cluster.instances])
    seen = set()
    for window in Runner(make_backend("sim", scenario, num_envs=3), policy).windows(40, 0):
        d = window.decision
        assert (d.pack <= sizes[:, 0]).all() and (d.batch <= sizes[:, 1]).all() and (d.pack >= 1).all()
        assert (d.post[:, sizes[:, 2] == 2] == 1).all() and (d.timeout_ns == -1).all() and (d.active == -1).all()
        seen |= set(d.batch[:, 4].tolist())
    assert len(seen) > 10


def test_it_samples_if_asked_to_or_if_that_scored_better_in_training(tmp_path):
    def samples(option="", **about):
        return PpoPolicy(f"{checkpoint(tmp_path, **about)}{option}").sample

    assert not samples() and samples(sample=True) and not samples(sample=False)
    assert samples(",sample", sample=False) and not samples(",argmax", sample=True)
    with pytest.raises(PolicyError, match="sample or argmax, not both"):
        samples(",sample,argmax")


def test_its_weights_go_out_and_in(scenario, tmp_path):
    one, other = PpoPolicy(str(checkpoint(tmp_path))), PpoPolicy(str(checkpoint(tmp_path)))
    changed = {name: array + 1 for name, array in one.state_dict().items()}
    other.load(changed)
    assert all(np.array_equal(other.state_dict()[name], array) for name, array in changed.items())
    with pytest.raises(TensorFileError, match="lacks w1"):
        other.load({name: array for name, array in changed.items() if name != "w1"})


def test_a_cluster_of_other_kinds_or_larger_heads_is_refused(scenario, tmp_path):
    policy = PpoPolicy(str(checkpoint(tmp_path, KINDS[:-1])))
    with pytest.raises(
        PolicyError, match=r"not trained for xavier-nx/yolov5n \(cam-1/traffic.yolov5n\); it knows orin"
    ):
        policy.reset(scenario.cluster, 1, 0)
    policy = PpoPolicy(str(checkpoint(tmp_path, heads=(2, 32, 4))))
    with pytest.raises(PolicyError, match=r"reach \(2, 32, 4\); server/traffic.carbrand has \(1, 64, 4\)"):
        policy.reset(scenario.cluster, 1, 0)
    other = load_scenario("scale-4").cluster
    with pytest.raises(PolicyError, match="not trained for"):
        PpoPolicy(str(checkpoint(tmp_path))).reset(other, 1, 0)


def test_a_checkpoint_is_needed_and_must_be_one(tmp_path):
    with pytest.raises(PolicyError, match=r"ippo:FILE\[,sample\]\[,argmax\]"):
        PpoPolicy(None)
    with pytest.raises(TensorFileError, match="cannot be read"):
        PpoPolicy(str(tmp_path / "nothing"))
    with pytest.raises(TensorFileError, match="holds 'fcpo'; expected 'ppo'"):
        PpoPolicy(str(checkpoint(tmp_path, kind="fcpo")))
    with pytest.raises(TensorFileError, match=r"w2 has shape \(64, 63\); expected \(64, 64\)"):
        PpoPolicy(str(checkpoint(tmp_path, change=lambda a: a.update(w2=a["w2"][:, 1:]))))
    with pytest.raises(TensorFileError, match="kind1 holds values that are not finite"):
        PpoPolicy(str(checkpoint(tmp_path, change=lambda a: a["kind1"].fill(np.nan))))


@pytest.mark.parametrize("about", [{"kinds": []}, {"kinds": "x"}, {"heads": [1, 2]}, {"heads": [1, 2, 0]}])
def test_a_checkpoint_that_does_not_say_for_whom_it_is_refused(tmp_path, about):
    with pytest.raises(TensorFileError, match="expected names, and 3 sizes"):
        PpoPolicy(str(checkpoint(tmp_path, **about)))
