"""Checkpoints: what comes back, and what is refused."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pytest
import torch

from octogym.cluster.tensor_file import TensorFileError, read_tensors, write_tensors
from octogym.scheduler.octocross.file import KIND, read_octocross, weights, write_octocross
from octogym.scheduler.octocross.ids import DeviceIds

from .situations import SMALL, SPARSE, lively, random_cluster


def test_a_model_comes_back_whole(tmp_path):
    model, ids = lively(SPARSE, seed=4), DeviceIds(SPARSE.positions, {"cam": 7, "other": 3})
    file = write_octocross(tmp_path / "model.safetensors", model, ids, {"scenario": "site", "steps": 12})
    found = read_octocross(file)
    assert found.model.config == SPARSE and not found.model.training and found.path == file
    assert found.ids.known == ids.known and found.about == {"scenario": "site", "steps": 12}
    cluster = random_cluster(6, config=SPARSE)
    with torch.inference_mode():
        for a, b in zip(model(*cluster), found.model(*cluster), strict=True):
            assert torch.equal(a, b)
    again = write_octocross(tmp_path / "again.safetensors", found.model, found.ids, found.about)
    assert again.read_bytes() == file.read_bytes()


def test_what_is_damaged_is_refused(tmp_path):
    file = tmp_path / "model.safetensors"
    arrays = weights(lively(SMALL))
    about = {"config": asdict(SMALL), "ids": {"cam": 2}}
    for arrays_, about_, kind, message in (
        (arrays, about, "fcpo", "expected 'octocross'"),
        (arrays, {"ids": {}}, KIND, "cannot be read"),
        (arrays, {**about, "config": {**about["config"], "heads": 5}}, KIND, "cannot be read"),
        (arrays, {**about, "ids": {"cam": 0}}, KIND, "cannot be read"),
        ({**arrays, "decoder.bias": np.zeros(3, np.float32)}, about, KIND, "decoder.bias has shape"),
        ({**arrays, "decoder.bias": arrays["decoder.bias"] * np.nan}, about, KIND, "not finite"),
        ({"decoder.bias": arrays["decoder.bias"]}, about, KIND, "lacks"),
    ):
        write_tensors(file, arrays_, kind, about_)
        with pytest.raises(TensorFileError, match=message):
            read_octocross(file)
    with pytest.raises(TensorFileError, match="cannot be read"):
        read_octocross(tmp_path / "none.safetensors")


def test_the_file_says_whose_row_is_whose(tmp_path):
    file = write_octocross(tmp_path / "m.safetensors", lively(SMALL), DeviceIds(SMALL.positions, {"b": 5, "a": 9}), {})
    assert read_tensors(file, KIND).about["ids"] == {"a": 9, "b": 5}
