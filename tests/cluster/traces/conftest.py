"""Fixtures of the trace tests: the measured traces, where they are."""

from __future__ import annotations

import pytest

from octogym.cluster.traces import find_data, load_real


@pytest.fixture(scope="session")
def data_folder():
    folder = find_data()
    if folder is None:
        pytest.skip("the measured traces are not here: set OCTOGYM_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def real(data_folder):
    return load_real(data_folder)


@pytest.fixture
def write(tmp_path):
    """Writes a file of the given name and content; returns its path."""

    def write_file(name, content):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write_file
