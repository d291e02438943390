"""Constants of an iAgent."""

from __future__ import annotations

import dataclasses

import pytest

from octogym.agents.onboard import IAgentConfig, IAgentError


def test_defaults_are_the_published_constants():
    config = IAgentConfig()
    found = (config.lr, config.gamma, config.lam, config.clip, config.penalty, config.steps, config.steps_max)
    assert found == (1e-3, 0.1, 0.1, 0.9, 0.2, 100, 300)
    assert (config.loss, config.variant, config.gate, config.epochs) == ("paper", "fcpo", 0.0, 1)
    # The diversity rule must have something to do within one episode.
    assert config.capacity < config.steps - 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("lr", -1e-3),
        ("lr", float("nan")),
        ("lr", "fast"),
        ("betas", (0.9, 1.0)),
        ("betas", [0.9, 0.999]),
        ("gamma", 1.01),
        ("clip", -0.1),
        ("penalty", float("inf")),
        ("loss", "code"),
        ("variant", "single"),
        ("replace", "newest"),
        ("advantage", "scaled"),
        ("capacity", 1),
        ("capacity", 64.0),
        ("steps", 0),
        ("steps_max", 99),
        ("epochs", True),
        ("reward_factor", 1),
        ("max_grad_norm", 0.0),
    ],
)
def test_what_is_out_of_range_is_refused_by_name(field, value):
    with pytest.raises(IAgentError, match=rf"IAgentConfig\.{field} = .*expected"):
        dataclasses.replace(IAgentConfig(), **{field: value})
