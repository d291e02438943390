"""Arguments of policies that run from a checkpoint."""

from __future__ import annotations

import pytest

from octogym.agents.argument import file_and_options
from octogym.agents.errors import PolicyError


@pytest.mark.parametrize(
    ("argument", "file", "options"),
    [
        ("x.safetensors", "x.safetensors", set()),
        ("a,b.safetensors", "a,b.safetensors", set()),
        ("x,argmax", "x", {"argmax"}),
        ("a,b,argmax,other", "a,b", {"argmax", "other"}),
        ("argmax", "argmax", set()),
    ],
)
def test_options_follow_the_file(argument, file, options):
    assert file_and_options("bcedge", argument, ("argmax", "other")) == (file, options)


@pytest.mark.parametrize("argument", [None, "", ",argmax", "x,argmax,argmax"])
def test_what_is_no_file_with_options_is_refused(argument):
    with pytest.raises(PolicyError, match=r"bcedge:FILE\[,argmax\]"):
        file_and_options("bcedge", argument, ("argmax",))
