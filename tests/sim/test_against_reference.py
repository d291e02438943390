"""The compiled simulator against the event list of `tests/reference`, request by request, on random small clusters."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from octogym.cluster.decision import Decision
from octogym.cluster.telemetry import BINS, Telemetry, latency_bin_edges_ns
from octogym.sim import SimBackend
from tests.reference import ReferenceSim
from tests.reference.random_scenarios import random_decisions, random_scenario

FATES = ("completed", "dropped_full", "dropped_late", "lost", "dropped_out")
COLUMNS = ("instance", "key", "birth_ns", "arrival_ns", "end_ns", "fate")
#: The simulator's rows are always fresh; the reference has none.
NOT_COMPARED = ("valid", "age_ns")


def rows(log):
    """Sorted rows of either log, as tuples of Python integers; keys are 64 bits, signed or not."""
    if isinstance(log, np.ndarray):
        found = [tuple(int(row[name]) for name in COLUMNS) for row in log]
    else:
        found = [(*row[:5], FATES.index(row[5])) for row in log]
    return sorted((i, key % 2**64, *rest) for i, key, *rest in found)


def check_telemetry(told: Telemetry, expected: dict, step: int, e: int = 0) -> None:
    for field in fields(Telemetry):
        if field.name not in NOT_COMPARED:
            got, wanted = np.asarray(getattr(told, field.name)[e]), np.asarray(expected[field.name])
            where = f"environment {e}, step {step}, {field.name}"
            assert np.array_equal(got, wanted), f"{where}: simulator {got.tolist()}, reference {wanted.tolist()}"


def check_histograms(scenario, totals: np.ndarray, leaf_totals: np.ndarray, log: list) -> None:
    """The histograms over all windows are those of the log."""
    cluster, edges = scenario.cluster, latency_bin_edges_ns()
    leaf = [not cluster.out_edges(instance.stage) for instance in cluster.instances]
    expected, leaf_expected = np.zeros((2, cluster.S, BINS), np.int64)
    for i, _, birth, arrival, end, fate in rows(log):
        if FATES[fate] == "completed":
            expected[i, np.searchsorted(edges, end - arrival, "right") - 1] += 1
            if leaf[i]:
                leaf_expected[i, np.searchsorted(edges, end - birth, "right") - 1] += 1
    assert np.array_equal(totals, expected)
    assert np.array_equal(leaf_totals, leaf_expected)


def compare(seed: int, steps: int) -> None:
    scenario = random_scenario(seed)
    backend, reference = SimBackend(scenario, num_envs=1, log=True), ReferenceSim(scenario, seed)
    check_telemetry(backend.reset(seed=seed), reference.reset(), 0)
    totals, leaf_totals = np.zeros((2, scenario.cluster.S, BINS), np.int64)
    for step, decision in enumerate(random_decisions(scenario, seed, steps), 1):
        told = backend.step(decision)
        check_telemetry(told, reference.step(decision), step)
        totals += told.latency_hist[0]
        leaf_totals += told.leaf_hist[0]
    assert rows(backend.requests()) == rows(reference.log)
    check_histograms(scenario, totals, leaf_totals, reference.log)
    backend.close()


@pytest.mark.parametrize("seed", range(40))
def test_same_requests_meet_the_same_fate(seed):
    compare(seed, 15)


@pytest.mark.parametrize("seed", range(200, 208))
def test_several_environments_and_a_second_episode(seed):
    scenario, num_envs = random_scenario(seed), 3
    backend = SimBackend(scenario, num_envs=num_envs)
    for first in (seed, seed + 1000):
        references = [ReferenceSim(scenario, first + e) for e in range(num_envs)]
        told = backend.reset(seed=first)
        for e, reference in enumerate(references):
            check_telemetry(told, reference.reset(), 0, e)
        decisions = [random_decisions(scenario, first + e, 8) for e in range(num_envs)]
        for step, rows_of_step in enumerate(zip(*decisions, strict=True), 1):
            joined = [np.concatenate([getattr(d, name) for d in rows_of_step]) for name in Decision.FIELDS]
            told = backend.step(Decision(*joined))
            for e, reference in enumerate(references):
                check_telemetry(told, reference.step(rows_of_step[e]), step, e)
    backend.close()


@pytest.mark.slow
@pytest.mark.parametrize("block", range(20))
def test_same_requests_meet_the_same_fate_in_many_clusters(block):
    for seed in range(100 + 50 * block, 150 + 50 * block):
        compare(seed, 20)
