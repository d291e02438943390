"""The reference simulator by itself: event times worked out by hand, accounting, two textbook queues."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from octogym.cluster import draws
from octogym.cluster.decision import Decision
from octogym.cluster.options import SimOptions
from octogym.cluster.scenario import FixedPlan
from octogym.cluster.settings import DEADLINE, Settings
from octogym.cluster.topology import Edge
from tests.reference import ReferenceSim, keys
from tests.reference.random_scenarios import random_decisions, random_scenario
from tests.reference.small import MS, S, camera, device, instance, scenario, single, stage
from tests.reference.spread import SmoothWeightedRoundRobin, Tijdeman

SEED = 3
DETECTOR = (7 * MS, [20 * MS, 25 * MS, 30 * MS], 2 * MS)


def start(of, seed=SEED):
    """A simulator after the reset, the decision that keeps everything, and the phase of camera 0."""
    return ReferenceSim(of, seed), Decision.keep(of.cluster), ReferenceSim(of, seed).cameras[0].phase


def ends(sim, fate="completed", of=0):
    """When requests of an instance ended, in order."""
    return [end for i, _, _, _, end, how in sim.log if how == fate and i == of]


def test_draws_are_those_of_the_package():
    rng = np.random.default_rng(0)
    for words in rng.integers(0, 2**62, (200, 4)).tolist():
        assert keys.fold(0, *words) == int(draws.key_of(*words))
        assert keys.uniform(keys.fold(0, *words)) == draws.uniform_of(*words)


# Batching. Frames come at p, p + 100 ms, ...; the detector takes 7 ms before, 20/25/30 ms for 1/2/3 frames, 2 ms after.
#
# batch 3:          frame 2 is pre-processed at p + 207, the batch is done at 237, its images at 239, 241, 243.
# timeout 150 ms:   frame 0 is in the hand at 7, which leaves at 157 with frame 1 (107); done at 182; 184 and 186.
# timeout 100 ms:   the hand leaves at 107, with the frame that is complete at that very time; 132; 134 and 136.
# deadline, 200 ms: latest start 200 - 1.2 x (30 + 2) = 161.6 with frames 0 and 1; 186.6; 188.6 and 190.6.
@pytest.mark.parametrize(
    ("timeout_ns", "slo_ms", "expected_ms"),
    [
        (0, 1000, [239, 241, 243, 539, 541, 543]),
        (150 * MS, 1000, [184, 186, 384, 386, 584, 586]),
        (100 * MS, 1000, [134, 136, 334, 336, 534, 536]),
        (DEADLINE, 200, [188.6, 190.6, 388.6, 390.6, 588.6, 590.6]),
    ],
)
def test_batching(timeout_ns, slo_ms, expected_ms):
    settings = Settings(batch=3, timeout_ns=timeout_ns)
    sim, keep, p = start(single(DETECTOR, settings=settings, slo_ns=slo_ms * MS))
    sim.step(keep)
    assert [end - p for end in ends(sim)][:6] == [round(ms * MS) for ms in expected_ms]


# Q1 holds 2, pre-processing takes 250 ms. Frame 0 starts at p; 1 and 2 wait; 1 starts at 250; 3 joins (300); 4 pushes
# 2 out (400); 3 starts at 500, just before 5 joins behind 4; 6 pushes 4 out (600), 7 pushes 5 out (700).
def test_a_full_queue_drops_its_oldest():
    sim, keep, p = start(single((250 * MS, [20 * MS], 2 * MS), queues=(2, 1, 1, 1, 1)))
    sim.step(keep)
    dropped = [(birth - p, end - p) for _, _, birth, _, end, how in sim.log if how == "dropped_full"]
    assert dropped[:3] == [(200 * MS, 400 * MS), (400 * MS, 600 * MS), (500 * MS, 700 * MS)]


# pack 4, batch 2. Images 0-3 are a frame at p + 307, 4-7 at 707: the batch of two is done at 732, its eight images at
# 734, 736, ..., 748. Images 8 (807) and 9 (907) wait in a third frame when pack 1 comes at t = 1 s: it leaves as a
# batch of one, done at 1020, images at 1022 and 1024 (no p: they began at t). Images 10 (p + 1007) and 11 (p + 1107)
# are a batch of two again, done at p + 1132.
def test_a_change_of_packing_flushes():
    sim, keep, p = start(single(DETECTOR, settings=Settings(pack=4, batch=2)))
    assert p < 90 * MS
    assert sim.step(keep)["in_stage"] == [2]
    assert [end - p for end in ends(sim)] == [(734 + 2 * n) * MS for n in range(8)]
    unpack = keep.copy()
    unpack.pack[:] = 1
    sim.step(unpack)
    assert ends(sim)[8:10] == [1022 * MS, 1024 * MS]
    assert [end - p for end in ends(sim)][10:12] == [1134 * MS, 1136 * MS]


# The hand holds two frames (p + 7, p + 507) of three when batch 2 comes at t = 1 s: all leave, to end at 1027 and 1029.
def test_a_smaller_batch_leaves_at_the_start_of_the_window():
    sim, keep, p = start(single(DETECTOR, fps=2, settings=Settings(batch=3)))
    assert p < 400 * MS
    sim.step(keep)
    smaller = keep.copy()
    smaller.batch[:] = 2
    sim.step(smaller)
    assert ends(sim)[:2] == [1027 * MS, 1029 * MS]


def two_lanes():
    """A detector whose frame holds one object for A and one for B, all on one GPU of two lanes."""
    a = instance("cam/pipe.a", 0, 1, (1 * MS, [20 * MS], 1 * MS))
    b = instance("cam/pipe.b", 0, 2, (2 * MS, [10 * MS + 1], 1 * MS))
    return scenario(
        [device(lanes=2)],
        [stage("detector", first=True), stage("a"), stage("b")],
        [instance("cam/pipe.detector", 0, 0, (1 * MS, [10 * MS], 1 * MS)), a, b],
        [camera(fps=1)],
        edges=[Edge(0, 1, 0, 6000), Edge(0, 2, 1, 6000)],
        objects=(1, 1),
    )


# The detector is done at p + 12. A's batch starts at 13, B's at 14 when A has lost 1 ms of its 20. Two in service
# progress at 10/22 each, so B's 10000001 ns take ceil(22000002.2) = 22000003 ns; A has then 19000000 - 22000003 / 2.2
# = 8999998.64 ns of work left and runs alone: 8999999 ns. Post-processing takes 1 ms.
def test_two_lanes_share_the_gpu():
    sim, keep, p = start(two_lanes())
    for _ in range(2):
        told = sim.step(keep)
    assert ends(sim, of=2)[0] - p == 14 * MS + 22_000_003 + MS
    assert ends(sim, of=1)[0] - p == 14 * MS + 22_000_003 + 8_999_999 + MS
    # The detector's 10 ms, then from 13 ms to A's end without a gap.
    assert told["gpu_busy_ns"] == [10 * MS + MS + 22_000_003 + 8_999_999]


def over_the_air(uplink, infer_ns=10 * MS):
    """A camera whose frames of 150 kB go to a server."""
    return scenario(
        [device(), device("server")],
        [stage("detector", first=True)],
        [instance("server/pipe.detector", 1, 0, (1 * MS, [infer_ns], 1 * MS))],
        [camera(fps=1)],
        uplink=uplink,
    )


# A frame is 1.2 Mbit. The uplink carries 1 Mbit/s until 1 s, nothing until 1.5 s, then 10 Mbit/s. What is left at
# 1.5 s, 1.2e15 - (1e9 - p) x 1e6 = 2e14 + p x 1e6 bit/s ns, takes a 1e7th of that: 2e7 + ceil(p / 10) ns. Then 5 ms
# to the downlink and 1.2 ms on it.
def test_a_transmission_under_changing_rates():
    sim, keep, p = start(over_the_air(([0, S, 3 * S // 2], [10**6, 0, 10**7], 100 * S)))
    told = [sim.step(keep) for _ in range(2)]
    arrivals = [arrival for _, _, _, arrival, _, _ in sim.log]
    sent = 3 * S // 2 + 20 * MS - -p // 10
    assert arrivals[0] == sent + 5 * MS + 1_200_000
    assert told[0]["link_busy_ns"][0] == S - p
    assert told[0]["bandwidth_bps"].tolist() == [0, 0, 10**9, 10**9]
    assert told[1]["sent_bytes"].tolist() == [300_000, 0, 0, 300_000]


def test_an_outage_without_end():
    sim, keep, _ = start(over_the_air(([0], [0], S)))
    for _ in range(200):
        told = sim.step(keep)
    # One on the uplink, 100 in the camera's Q5, the older ones dropped.
    assert told["in_flight"] == 101
    assert told["total_dropped"] == 99


# The server is away from 1 s to 2 s. It loses frame 0, which it is still inferring; frame 1 finds nobody; frame 2 is
# served 1.2 ms (uplink) + 5 ms + 1.2 ms (downlink) + 1 + 900 + 1 ms after its birth.
def test_an_absent_device_loses_what_it_holds():
    of = over_the_air(None, infer_ns=900 * MS)
    away = replace(of.plan(SEED), absent_ns=(np.zeros((0, 2), np.int64), np.array([[S, 2 * S]])))
    sim, keep, p = start(replace(of, planner=FixedPlan(away)))
    assert p > 100 * MS
    told = [sim.step(keep) for _ in range(4)]
    assert [t["present"].tolist() for t in told] == [[1, 1], [1, 0], [1, 1], [1, 1]]
    assert [int(t["total_lost_results"][0]) for t in told] == [0, 2, 2, 2]
    assert [int(t["lost"][0]) for t in told] == [0, 1, 0, 0]
    ends_at = [(birth - p, end, how) for _, _, birth, _, end, how in sim.log]
    assert ends_at == [(0, S, "lost"), (2 * S, 2 * S + p + 909_400_000, "completed")]


# Shares 1/2, 3/10, 1/5 and threshold 1/4: w n - c of the first ten requests, worked out by hand.
def test_tijdeman_sequence():
    spread = Tijdeman([500, 300, 200])
    assert [spread.next() for _ in range(10)] == [0, 1, 0, 2, 0, 1, 0, 2, 1, 0]


def test_smooth_weighted_round_robin_sequence():
    spread = SmoothWeightedRoundRobin([500, 300, 200])
    assert [spread.next() for _ in range(10)] == [0, 1, 2, 0, 0, 1, 0, 2, 1, 0]


@pytest.mark.parametrize("seed", range(20))
def test_tijdeman_stays_within_one_of_its_shares(seed):
    rng = np.random.default_rng(seed)
    shares = np.floor(1000 * rng.dirichlet(np.ones(rng.integers(2, 6)))).astype(int)
    shares[0] += 1000 - shares.sum()
    spread, counts = Tijdeman(shares.tolist()), np.zeros(len(shares), int)
    for n in range(1, 2101):
        counts[spread.next()] += 1
        assert (abs(1000 * counts - shares * n) < 1000).all()


def test_threads_change_when_asked_for_twice():
    sim, keep, _ = start(single(DETECTOR))
    more = keep.copy()
    more.pre[:] = 2
    asked = []
    for decision in (more, keep, more, more, keep):
        told = sim.step(decision)
        asked.append((int(told["pre"][0]), int(told["requested_pre"][0])))
    assert asked == [(1, 2), (1, 1), (1, 2), (2, 2), (2, 2)]


def test_settings_expire():
    sim, keep, _ = start(single(DETECTOR, settings=Settings(batch=2)))
    larger = keep.copy()
    larger.batch[:] = 3
    told = [sim.step(decision) for decision in (larger, keep, keep, keep, keep, larger)]
    assert [int(t["batch"][0]) for t in told] == [3, 3, 3, 3, 2, 3]
    assert [int(t["set_by"][0]) for t in told] == [0, 0, 0, 0, 2, 0]


@pytest.mark.parametrize("seed", range(25))
def test_accounting(seed):
    of = random_scenario(seed)
    sim = ReferenceSim(of, seed)
    in_stage = np.zeros(of.cluster.S, int)
    for decision in random_decisions(of, seed, 15):
        told = sim.step(decision)
        ended = sum(told[name] for name in ("completed", "dropped_full", "dropped_late", "failed", "lost"))
        assert (told["arrived"] + in_stage == ended + told["in_stage"]).all()
        in_stage = told["in_stage"]
        settled = sum(told["total_" + n] for n in ("on_time_results", "late", "dropped", "missed", "lost_results"))
        assert (told["total_generated"] == settled + told["in_flight"]).all()
        assert (told["latency_hist"].sum(1) == told["completed"]).all()
    assert len(sim.log) == sum(
        told["total_" + name].sum() for name in ("completed", "dropped_full", "dropped_late", "lost")
    ) + sum(how == "dropped_out" for *_, how in sim.log)


# D/D/1: frames every 40 ms, service of 50 ms: each waits 10 ms longer than the one before. Nearly nothing after it.
def test_a_constant_overload_queues_linearly():
    sim, keep, _ = start(single((50 * MS, [1], 1), fps=25))
    for _ in range(5):
        sim.step(keep)
    ages = [end - arrival for _, _, _, arrival, end, _ in sim.log]
    assert ages == [50 * MS + 2 + n * 10 * MS for n in range(len(ages))]


# M/D/1 (Pollaczek-Khinchine): mean wait = rho s / (2 (1 - rho)).
def test_poisson_arrivals_at_a_constant_server_wait_as_theory_says():
    service, rate = 8 * MS, 100.0
    options = SimOptions(poisson_arrivals=True, pause_ns=0)
    sim, keep, _ = start(single((service, [1], 1), fps=rate, options=options))
    for _ in range(300):
        sim.step(keep)
    waits = np.array([end - arrival - service - 2 for _, _, _, arrival, end, _ in sim.log])
    means = waits[: len(waits) // 30 * 30].reshape(30, -1).mean(1)
    rho = rate * service / S
    assert abs(means.mean() - rho * service / (2 * (1 - rho))) < 3 * means.std(ddof=1) / np.sqrt(30)
