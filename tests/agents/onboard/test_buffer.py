"""The diversity buffer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octogym.agents.onboard import IAgentConfig
from octogym.agents.onboard.buffer import ExperienceBuffer
from octogym.agents.onboard.layout import Layout

SIZES = (2, 3, 2)
OUTPUTS = sum(SIZES)


def make(rows=1, **switches):
    config = IAgentConfig(**{"capacity": 5, **switches})
    return ExperienceBuffer(Layout(SIZES, config.variant), rows, config)


def record(buffer, state, log=None):
    """One record with a state and log-probabilities (uniform heads if not given)."""
    new = np.zeros((1, buffer.record.width), np.float32)
    new[0, buffer.record.state] = state
    uniform = np.log(np.repeat([1 / size for size in SIZES], SIZES))
    new[0, buffer.record.log] = uniform if log is None else log
    return new


def policies(random, count):
    """Log-probabilities [count, outputs] of random heads."""
    parts = [random.dirichlet(np.ones(size), count) for size in SIZES]
    return np.log(np.concatenate(parts, -1) + 1e-10)


def fill(buffer, random, count):
    """Put random experiences; returns the records in order."""
    logs, states = policies(random, count), random.random((count, 8))
    records = np.concatenate([record(buffer, *pair) for pair in zip(states, logs)])  # noqa: B905
    for time, new in enumerate(records):
        buffer.put(np.array([0]), new[None], time)
    return records


def admits(buffer, new):
    """Whether each row admits its record of new [N, width]."""
    log = new[:, buffer.record.log]
    found = buffer.admits(new[:, buffer.record.state], np.exp(log), log)
    return np.broadcast_to(found, len(new))


def scores(buffer, new):
    """The diversity of the record new [1, width], by both ways of computing it."""
    state, log = new[:, buffer.record.state], new[:, buffer.record.log]
    one = buffer._diversity.of_one(state[0], np.exp(log[0]), log[0])
    buffer._diversity.stale[:] = True
    return one, buffer._diversity.score(None, state, np.exp(log), log)[0]


def published_score(kept, new, columns, alpha, beta):
    """Eq. 6 in plain words: mean Mahalanobis distance and mean KL over heads."""
    states = kept[:, columns.state].astype(np.float64)
    inverse = np.linalg.inv(np.cov(states.T) + 1e-6 * np.eye(8))
    offsets = new[columns.state] - states
    distance = np.mean([np.sqrt(d @ inverse @ d) for d in offsets])
    log, logs = new[columns.log].astype(np.float64), kept[:, columns.log].astype(np.float64)
    divergence = np.mean([(np.exp(log) * (log - other)).sum() for other in logs])
    return alpha * distance + beta * divergence


@pytest.mark.parametrize(("alpha", "beta"), [(0.5, 0.5), (1.0, 0.0), (0.0, 2.0)])
def test_the_score_is_that_of_equation_6(alpha, beta):
    random = np.random.default_rng(0)
    buffer = make(capacity=20, alpha=alpha, beta=beta)
    fill(buffer, random, 20)
    for _ in range(30):
        new = record(buffer, random.random(8), policies(random, 1)[0])
        one, stacked = scores(buffer, new)
        kept = buffer.ordered(np.array([0]))[0]
        assert one == pytest.approx(published_score(kept, new[0], buffer.record, alpha, beta), rel=1e-4)
        assert one == pytest.approx(stacked, rel=1e-6)
        buffer.put(np.array([0]), new, 100)


def test_more_of_the_same_is_rejected_and_what_is_new_replaces_the_oldest():
    buffer = make()
    for time in range(5):
        new = record(buffer, 0.5)
        assert admits(buffer, new).all()
        buffer.put(np.array([0]), new, time)
    assert not admits(buffer, record(buffer, 0.5)).any()
    strange = record(buffer, 0.7)
    assert admits(buffer, strange).all()
    buffer.put(np.array([0]), strange, 5)
    kept = buffer.ordered(np.array([0]))[0]
    assert buffer.count.tolist() == [5]
    assert kept[:, 0].tolist() == pytest.approx([0.5] * 4 + [0.7])
    assert sorted(buffer.time[0]) == [1, 2, 3, 4, 5]


def test_another_policy_is_news_though_the_state_is_not():
    buffer = make()
    for time in range(5):
        buffer.put(np.array([0]), record(buffer, 0.5), time)
    sure = np.log(np.array([0.999, 0.001, 0.998, 0.001, 0.001, 0.001, 0.999]))
    assert admits(buffer, record(buffer, 0.5, sure)).all()


def test_the_least_diverse_goes_where_that_is_the_rule():
    states = [0.0, 0.5, 0.51, 0.9, 0.52]
    buffer = make(replace="least-diverse", beta=0.0)
    for time, state in enumerate(states):
        buffer.put(np.array([0]), record(buffer, [state] + [0.0] * 7), time)
    kept = buffer.ordered(np.array([0]))[0]
    scores = [published_score(kept, one, buffer.record, 0.5, 0.0) for one in kept]
    buffer.put(np.array([0]), record(buffer, [2.0] + [0.0] * 7), 5)
    found = buffer.ordered(np.array([0]))[0][:, 0]
    gone = np.array(states, np.float32)[int(np.argmin(scores))]
    assert gone == np.float32(0.51)
    assert gone not in found and found[-1] == 2


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 2), st.floats(0, 1, width=32)), max_size=40),
    st.sampled_from(["oldest", "least-diverse"]),
)
def test_rows_keep_what_they_admit_in_order_of_time(windows, replace):
    """Each row behaves as if alone, whatever the others do."""
    together = make(3, replace=replace, threshold=0.6)
    alone = [make(1, replace=replace, threshold=0.6) for _ in range(3)]
    for time, (row, value) in enumerate(windows):
        new = np.repeat(record(together, [value] + [0.3] * 7), 3, 0)
        new[:, together.record.reward] = time
        admitted = admits(together, new)
        for k, one in enumerate(alone):
            assert admits(one, new[k : k + 1])[0] == admitted[k]
        if admitted[row]:
            together.put(np.array([row]), new[:1], time)
            alone[row].put(np.array([0]), new[:1], time)
    for k, one in enumerate(alone):
        assert together.count[k] == one.count[0] <= 5
        count = one.count[0]
        found = together.ordered(np.array([k]))[0][:count]
        assert np.array_equal(found, one.ordered(np.array([0]))[0][:count])
        assert (np.diff(found[:, together.record.reward]) > 0).all()


def test_clearing_one_row_leaves_the_others():
    buffer = make(2)
    new = np.repeat(record(buffer, 0.1), 2, 0)
    for time in range(6):
        buffer.put(np.array([0, 1]), new, time)
    buffer.clear(np.array([0]))
    assert buffer.count.tolist() == [0, 5]
    assert admits(buffer, new).tolist() == [True, False]
