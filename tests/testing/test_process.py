"""Functions in another process."""

from __future__ import annotations

import os

import pytest

from octogym.testing.process import in_another_process


def test_it_is_another_process_and_takes_lambdas() -> None:
    number = 4
    assert in_another_process(lambda x: f"{x + number}", 3) == "7"
    assert in_another_process(lambda: str(os.getpid())) != str(os.getpid())


def test_its_error_comes_back() -> None:
    with pytest.raises(RuntimeError, match=r"(?s)ended with code 1.*ZeroDivisionError"):
        in_another_process(lambda: str(1 // 0))
