"""States from which training goes on, and what weights say of their origin."""

from __future__ import annotations

import json

import numpy as np
import pytest

from octogym.cluster.registry import load_scenario
from octogym.cluster.tensor_file import TensorFileError, write_tensors
from octogym.train.checkpoint import (
    STATE_FILE,
    TrainingState,
    join_names,
    load_state,
    provenance,
    save_state,
    split_names,
)

STATE = TrainingState({"w": np.ones(3, np.float32)}, {"episode": 4}, {"seed": 1, "lr": 1e-3, "inputs": [1, 2]})


def test_a_state_comes_back(tmp_path):
    save_state(tmp_path / "run", "fcpo", STATE)
    found = load_state(tmp_path / "run", "fcpo", STATE.identity)
    assert np.array_equal(found.arrays["w"], STATE.arrays["w"]) and found.progress == {"episode": 4}


def test_a_state_of_another_training_is_refused(tmp_path):
    save_state(tmp_path, "fcpo", STATE)
    with pytest.raises(TensorFileError, match=r"another training \(lr = 0.001, now 0.01; rounds = None, now 3\)"):
        load_state(tmp_path, "fcpo", {**STATE.identity, "lr": 0.01, "rounds": 3})
    with pytest.raises(TensorFileError, match=r"holds 'fcpo-state'; expected 'ippo-state'"):
        load_state(tmp_path, "ippo", STATE.identity)


def test_no_state_and_one_without_identity_are_said(tmp_path):
    with pytest.raises(TensorFileError, match=r"state\.safetensors: cannot be read"):
        load_state(tmp_path, "fcpo", {})
    write_tensors(tmp_path / STATE_FILE, {}, "fcpo-state", {"progress": {}})
    with pytest.raises(TensorFileError, match="does not say what training"):
        load_state(tmp_path, "fcpo", {})


def test_provenance_is_plain_and_tells_scenarios_apart(scenario):
    about = provenance(scenario, 3, 1000, method="ippo")
    assert json.loads(json.dumps(about)) == about
    assert about["scenario"] == "traffic-2" and about["split"] == "train" and about["synthetic_traces"] is True
    assert (about["seed"], about["steps"], about["method"]) == (3, 1000, "ippo")
    other = provenance(load_scenario("traffic-2", traces="synthetic", split="train", slo_ms=200), 3, 1000)
    assert other["scenario_sha256"] != about["scenario_sha256"] and other["traces_sha256"] == about["traces_sha256"]


def test_names_are_joined_and_split():
    parts = {"adam": {"w/step": np.array(1)}, "w": {"x": np.array(2)}}
    joined = join_names(**parts)
    assert sorted(joined) == ["adam/w/step", "w/x"]
    assert split_names(joined, "adam") == parts["adam"] and split_names(joined, "w") == parts["w"]
