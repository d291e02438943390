"""The scenario's mean results per second."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from octogym.cluster.decision import Decision
from octogym.cluster.offloading.results import SEEDS, leaves_per_crop, mean_results
from octogym.cluster.registry import load_scenario, make_backend
from octogym.cluster.scenario import Scenario
from tests.envs.toy_backend import toy_scenario


def test_a_mean_over_the_trace(calm: Scenario) -> None:
    # 40 s of the three series at 10 frames/s, the same in every episode.
    a, b, c = 4 * 5 + 60 * 8 + 4 * 12 + 50 * 15, 5 * 15 + 55 * 8 + 5 * 17, 7 * 40
    assert mean_results(calm) == pytest.approx(10 * (a + b + c) / 40)


def test_it_is_what_the_simulator_generates() -> None:
    scenario = load_scenario("campus-8", traces="synthetic", horizon_s=20)
    backend = make_backend("sim", scenario, num_envs=len(SEEDS))
    backend.reset(0)
    for _ in range(20):
        telemetry = backend.step(Decision.keep(scenario.cluster, len(SEEDS)))
    generated = telemetry.total_generated.sum() / len(SEEDS) / 20
    assert mean_results(scenario) == pytest.approx(generated, rel=0.02)


def test_leaves_count_along_the_pipeline() -> None:
    scenario = load_scenario("traffic-2", traces="synthetic")
    worth = leaves_per_crop(scenario.cluster)
    car = scenario.cluster.classes.index("car")
    # Every car becomes a plate and a brand.
    assert worth[:, car].tolist() == [2.0, 2.0] and worth.sum() == 4.0


def test_without_a_plan_it_must_be_stated() -> None:
    with pytest.raises(ValueError, match=r"scenario 'toy': .*state them with results_per_s="):
        mean_results(toy_scenario())


def test_samples_that_are_not_there_count_nothing(calm: Scenario) -> None:
    counts = calm.counts.counts.copy()
    counts[0] = -1
    cut = replace(calm, counts=replace(calm.counts, counts=counts))
    lost = 10 * np.maximum(calm.counts.counts[0, 0, :40], 0).sum() / 40
    assert mean_results(cut) == pytest.approx(mean_results(calm) - lost)
