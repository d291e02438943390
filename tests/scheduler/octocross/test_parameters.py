"""Names and shapes of parameters."""

from __future__ import annotations

import pytest

from octogym.scheduler.octocross.config import PRESETS, OctoCrossConfig
from octogym.scheduler.octocross.model import OctoCrossModel
from octogym.scheduler.octocross.parameters import parameter_shapes

OTHER = OctoCrossConfig(history=16, horizon=5, width=16, blocks=2, heads=4, ffn=3, positions=9)


@pytest.mark.parametrize("config", [*PRESETS.values(), OTHER])
def test_they_are_the_models(config: OctoCrossConfig) -> None:
    model = OctoCrossModel(config)
    assert list(parameter_shapes(config).items()) == [(name, tuple(x.shape)) for name, x in model.named_parameters()]
