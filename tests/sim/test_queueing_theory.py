"""The simulator against results of queueing theory and arithmetic that do not depend on it."""

from __future__ import annotations

from dataclasses import replace
from math import factorial

import numpy as np
import pytest

from octogym.cluster.decision import Decision
from octogym.cluster.options import SimOptions
from octogym.cluster.settings import PACK_RECALL, Settings
from octogym.cluster.topology import Edge
from octogym.sim import SimBackend
from tests.reference.small import LONG, MS, S, camera, device, instance, scenario, single, stage

COMPLETED = 0
BATCHES = 40  # of batch means
RANDOM = SimOptions(poisson_arrivals=True, pause_ns=0)
LONG_WINDOW = 50 * S


def run(of, windows: int):
    """The request log, by birth then instance, and the telemetry of each window."""
    backend = SimBackend(of, num_envs=1, log=True)
    backend.reset(seed=1)
    keep = Decision.keep(of.cluster)
    told = [backend.step(keep).copy() for _ in range(windows)]
    requests = backend.requests()
    backend.close()
    return np.sort(requests, order=["birth_ns", "arrival_ns", "instance"]), told


def latencies(of, windows: int) -> np.ndarray:
    """Receiver to end of post-processing of all completed requests, ns, in order of arrival."""
    requests, _ = run(of, windows)
    done = requests[requests["fate"] == COMPLETED]
    return done["end_ns"] - done["arrival_ns"]


def assert_mean(values: np.ndarray, expected: float) -> None:
    """Within 3 standard errors by batch means."""
    means = values[: len(values) // BATCHES * BATCHES].reshape(BATCHES, -1).mean(1)
    error = means.std(ddof=1) / np.sqrt(BATCHES)
    assert abs(means.mean() - expected) < 3 * error, f"{means.mean():.0f} +- {error:.0f}, expected {expected:.0f}"


# -- one queue


def test_dd1_below_capacity_nobody_waits():
    assert set(latencies(single((40 * MS, [1], 1), fps=20), 20)) == {40 * MS + 2}


def test_dd1_above_capacity_the_queue_grows_linearly():
    ages = latencies(single((50 * MS, [1], 1), fps=25), 20)
    assert (ages == 50 * MS + 2 + 10 * MS * np.arange(len(ages))).all()


@pytest.mark.parametrize("rho", [0.3, 0.6, 0.9])
def test_md1(rho):
    # Pollaczek-Khinchine: wait = rho s / (2 (1 - rho)).
    service, rate = 5 * MS, rho / 5e-3
    ages = latencies(single((service, [1], 1), fps=rate, options=RANDOM, period_ns=LONG_WINDOW), 30)
    assert_mean(ages - service - 2, rho * service / (2 * (1 - rho)))


@pytest.mark.parametrize("servers", [1, 2, 4])
def test_mmc(servers):
    # Erlang C, the servers are pre threads.
    service, load = 10 * MS, 0.75 * servers
    waits = load**servers / factorial(servers) / (1 - load / servers)
    waits /= waits + sum(load**k / factorial(k) for k in range(servers))
    of = single(
        (service, [1], 1),
        fps=load / 1e-2,
        settings=Settings(pre=servers),
        options=replace(RANDOM, exponential_pre=True),
        period_ns=LONG_WINDOW,
    )
    ages = latencies(of, 20)
    assert_mean(ages, service + waits * service / (servers - load))


def test_batches_are_an_erlang_arrival_process():
    # Batches of b from Poisson arrivals at an exponential server are E_b/M/1: it is found busy with the probability
    # sigma = (rate / (rate + mu (1 - sigma)))^b, a batch waits sigma / (mu (1 - sigma)), its images before that
    # (b - 1) / (2 rate).
    b, rate, service = 4, 100.0, 30 * MS
    mu = S / service
    sigma = 0.5
    for _ in range(1000):
        sigma = (rate / (rate + mu * (1 - sigma))) ** b
    expected = (b - 1) / (2 * rate) + sigma / (mu * (1 - sigma)) + 1 / mu
    of = single(
        (1, [service] * b, 1),
        fps=rate,
        settings=Settings(batch=b),
        options=replace(RANDOM, exponential_infer=True),
        period_ns=LONG_WINDOW,
    )
    assert_mean(latencies(of, 30), expected * S)


@pytest.mark.parametrize("b", [2, 5, 8])
def test_a_batch_waits_for_its_last_image(b):
    # At a low rate the first image of a batch waits (b - 1) / rate, the mean one half of that.
    gap, infer = 100 * MS, 10 * MS
    ages = latencies(single((1, [infer] * b, 1), fps=10, settings=Settings(batch=b)), 8 * b)
    first_batches = ages[: len(ages) // b * b].reshape(-1, b) - infer - 1
    assert (first_batches == (b - 1 - np.arange(b)) * gap + 1 + np.arange(b)).all()
    assert abs(first_batches.mean() - (b - 1) * gap / 2) < 2 * b


@pytest.mark.parametrize("timeout_ms", [50, 250])
def test_a_timeout_bounds_the_wait(timeout_ms):
    ages = latencies(single((1, [MS] * 8, 1), fps=10, settings=Settings(batch=8, timeout_ns=timeout_ms * MS)), 20)
    assert ages.max() <= (timeout_ms + 1) * MS + 8 + 1
    assert ages.max() >= timeout_ms * MS


# -- saturation


def throughput(of, seconds: int = 20) -> np.ndarray:
    """Completed images per second and instance over all but the first second."""
    _, told = run(of, seconds)
    return np.sum([t.completed[0] for t in told[1:]], 0) / (seconds - 1)


@pytest.mark.parametrize("b", [1, 3, 8])
def test_the_inferencer_saturates_at_the_rate_of_its_profile(b):
    infer = [(8 + 2 * n) * MS for n in range(1, 9)]
    of = single((MS // 10, infer, MS // 10), fps=2000, settings=Settings(batch=b), queues=(50, 10, 10, 10, 10))
    expected = b / ((8 + 2 * b + 1) * 1e-3)  # with the pause of 1 ms
    assert abs(throughput(of)[0] - expected) <= b


def test_post_threads_saturate_with_their_pause():
    of = single((1, [1] * 4, 5 * MS), fps=2000, settings=Settings(batch=4, post=2), queues=(50, 10, 10, 10, 10))
    assert abs(throughput(of)[0] - 2 * 4 / 21e-3) <= 8


@pytest.mark.parametrize("lanes", [1, 2, 3])
def test_lanes_share_one_gpu(lanes):
    # n instances that never rest, n lanes: each progresses at 10 / (n (n + 9)).
    infer = 10 * MS
    of = scenario(
        [device(lanes=lanes)],
        [stage("detector", first=True, queues=(50, 10, 10, 10, 10))],
        [instance(f"cam/pipe.detector#{n}", 0, 0, (MS // 10, [infer], 1)) for n in range(lanes)],
        [camera(fps=1000)],
        shares=[1000 // lanes + (n == 0) * (1000 % lanes) for n in range(lanes)],
        options=SimOptions(pause_ns=0),
    )
    assert np.allclose(throughput(of), S / infer * 10 / (lanes * (lanes + 9)), atol=1)


@pytest.mark.parametrize("threads", range(1, 9))
def test_threads_help_until_the_cores_are_used_up(threads):
    # 4 cores; with one post thread, n pre threads demand n + 1.
    settings = Settings(pre=threads)
    of = single((20 * MS, [1], 1), fps=2000, settings=settings, cores=4, queues=(50, 10, 10, 10, 10))
    stretch = max(1, (threads + 1) / 4)
    assert abs(throughput(of)[0] - threads / (20e-3 * stretch)) <= threads


# -- packing


@pytest.mark.parametrize("pack", [1, 2, 3, 4])
def test_packing_trades_recall_for_throughput(pack):
    detector = instance("cam/pipe.detector", 0, 0, (MS // 10, [19 * MS], MS // 10), Settings(pack=pack))
    counter = instance("cam/pipe.counter", 0, 1, (1, [1], 1))
    of = scenario(
        [device(lanes=2)],
        [stage("detector", first=True, queues=(50, 10, 10, 10, 10)), stage("counter")],
        [detector, counter],
        [camera(fps=1000)],
        edges=[Edge(0, 1, 0, 6000)],
        objects=(5,),
        options=SimOptions(contention=False),
    )
    requests, told = run(of, 20)
    assert abs(np.sum([t.completed[0, 0] for t in told[1:]]) / 19 - pack / 20e-3) <= pack
    detected = np.sum((requests["instance"] == 0) & (requests["fate"] == COMPLETED))
    missed, recall = told[-1].total_missed[0, 0], PACK_RECALL[pack - 1]
    error = np.sqrt(5 * detected * recall * (1 - recall))
    assert abs(5 * detected - missed - recall * 5 * detected) <= 3 * error


# -- links and spreading


def test_a_link_carries_its_trace():
    # Frames of 150 kB at 100 per second want 120 Mbit/s; the uplink has less, and nothing for a while.
    starts, rates, end = [0, 700 * MS, 1900 * MS, 3 * S], [8_000_000, 0, 50_000_001, 1_234_567], 4321 * MS
    of = scenario(
        [device(), device("server")],
        [stage("detector", first=True)],
        [instance("server/pipe.detector", 1, 0, (1, [1], 1))],
        [camera(fps=100)],
        uplink=(starts, rates, end),
    )
    _, told = run(of, 60)
    pieces = np.diff([*starts, end]) / S
    full, rest = divmod(60 * S, end)
    carried = full * (pieces * rates).sum()
    carried += (np.clip(rest / S - np.array(starts) / S, 0, pieces) * rates).sum()
    sent = 8 * sum(int(t.sent_bytes[0, 0]) for t in told)
    before_first_frame = 8_000_000 / 100  # bits, at most
    assert carried - 8 * 150_000 - before_first_frame <= sent <= carried


@pytest.mark.parametrize("shares", [[517, 283, 200], [334, 333, 333], [900, 50, 50], [1, 998, 1]])
def test_spreading_stays_within_one_of_its_shares_at_every_prefix(shares):
    of = scenario(
        [device()],
        [stage("detector", first=True, queues=LONG)],
        [instance(f"cam/pipe.detector#{n}", 0, 0, (1, [1], 1)) for n in range(3)],
        [camera(fps=100)],
        shares=shares,
    )
    requests, _ = run(of, 25)
    taken = np.cumsum(requests["instance"][:, None] == np.arange(3), 0)
    n = 1 + np.arange(len(requests))[:, None]
    assert len(requests) > 2400
    assert (abs(1000 * taken - n * np.array(shares)) < 1000).all()
