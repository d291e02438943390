"""Checkpoints of rivals: what is written is read, and what does not fit is said."""

from __future__ import annotations

import pytest
import torch

from octogym.cluster.tensor_file import TensorFileError, read_tensors, write_tensors
from octogym.scheduler.rivals.file import METHODS, read_rival, write_rival


@pytest.mark.parametrize("method", METHODS)
def test_round_trip(method, files, tmp_path):
    found = read_rival(files[method], method)
    assert found.about["seed"] == 1 and found.ids.known["node01"] == 2
    assert bool(found.nodes) == (method == "gnn-lstm")
    again = write_rival(tmp_path / "again", method, found.model, found.ids, found.about, found.nodes)
    assert again.read_bytes() == files[method].read_bytes()
    for name, x in read_rival(again, method).model.state_dict().items():
        torch.testing.assert_close(x, found.model.state_dict()[name])


def test_another_methods_file_is_refused(files):
    with pytest.raises(TensorFileError, match="'temp-abl'"):
        read_rival(files["spat-abl"], "temp-abl")


def test_damaged_files_are_refused(files, tmp_path):
    found = read_tensors(files["gnn-lstm"])
    about = {key: value for key, value in found.about.items() if key != "sizes"}
    with pytest.raises(TensorFileError, match="sizes"):
        read_rival(write_tensors(tmp_path / "a", found.arrays, "gnn-lstm", about), "gnn-lstm")
    with pytest.raises(TensorFileError, match="adjacency"):
        less = {**found.about, "nodes": ["a", "b"]}
        read_rival(write_tensors(tmp_path / "b", found.arrays, "gnn-lstm", less), "gnn-lstm")
