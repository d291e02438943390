from __future__ import annotations

import json

import numpy as np
import pytest

from octogym.fed.client import ClientConfig, FedClient
from octogym.fed.config import FedConfig
from octogym.fed.errors import FedError
from octogym.fed.in_process import Federation, Updated
from octogym.fed.update import Upload
from octogym.fed.wire import encode_upload
from tests.fed.toy import SECOND, ToyStack, same

EVERYONE = {"fraction": 1.0}


class Run:
    """Toy agents under a federation: the loop of a training run in small."""

    def __init__(self, devices=3, order=1, clusters=None, seed=0, mix=None, client=None, **settings):
        client = {"fl_every": 2, "steps": 5, "steps_growth": 1, "steps_max": 8, **(client or {})}
        config = FedConfig(client=ClientConfig(**client), **settings)
        self.stacks = [ToyStack((2, 8, 2), devices, 10), ToyStack((1, 16, 2), devices, 50)]
        if mix is not None:
            self.stacks = self.stacks[:mix]
        clients = [
            FedClient(f"d{i}/s{k}", f"d{i}", stack, i, config.client)
            for k, stack in enumerate(self.stacks)
            for i in range(devices)
        ]
        self.fed = Federation(config, clients[::order], seed, clusters)
        self.counter = dict.fromkeys(self.fed.clients, 0)
        self.t, self.reports, self.learned = 0, [], []

    def step(self, bandwidth=None):
        self.t += 1
        waiting, losses = self.fed.waiting, {}
        for name, client in self.fed.clients.items():
            self.counter[name] += 1
            if self.counter[name] >= client.steps:
                self.counter[name] = 0
                if name not in waiting:
                    losses[name] = client.stack.learn(client.index, self.t)
                    self.learned.append((self.t, name))
        found = self.fed.after_step(self.t * SECOND, losses, bandwidth)
        self.reports += found
        return found

    def until(self, rounds, bandwidth=None, limit=500):
        while len(self.reports) < rounds:
            self.step(bandwidth)
            assert self.t < limit
        return self

    def parameters(self):
        return {f"{name}/{key}": a for name, c in self.fed.clients.items() for key, a in c.stack.get(c.index).items()}


def test_a_round_comes_after_fl_every_updates_and_its_participants_share_a_backbone():
    run = Run(**EVERYONE)
    for _ in range(10):
        assert run.step() == []
    assert run.fed.waiting == set(run.fed.clients)
    (report,) = run.step()
    assert (report.round, report.opened_ns, report.ended, report.changed) == (1, 10 * SECOND, "all", True)
    assert report.participants == report.selected == tuple(sorted(run.fed.clients))
    assert report.silent == report.unreached == () and report.refused == {}
    backbones = [client.stack.get(client.index)["backbone.w1"] for client in run.fed.clients.values()]
    assert all((backbone == backbones[0]).all() for backbone in backbones)
    batch = [stack.get(0)["batch.w"].shape for stack in run.stacks]
    assert batch[0] != batch[1]
    # The heads are the group's average, fine-tuned: all agents of a stack in one call.
    sent = run.fed.model.parameters(run.fed.clients["d0/s0"].spec.shapes)
    assert (run.stacks[0].get(0)["batch.w"] == sent["batch.w"] + np.float32(1 / 1024)).all()
    assert ("fine_tune", (0, 1, 2)) in run.stacks[0].calls
    assert run.fed.waiting == set() and set(run.fed.steps.values()) == {6}


def test_bytes_and_duration_are_those_of_the_messages_over_the_links():
    run = Run(devices=1, mix=1, latency_ns=1_000_000)
    (report,) = run.until(1, {"d0": (8e4, 8e3)}).reports
    client = run.fed.clients["d0/s0"]
    size = len(encode_upload(Upload("d0/s0", "d0", 1, (2, 8, 2), 0.0, client.stack.get(0))))
    assert report.bytes_up == size and 0.9 * size < report.bytes_down < size
    seconds = size * 8 / 8e4 + report.bytes_down * 8 / 8e3 + 0.002
    assert report.duration_ns == pytest.approx(seconds * SECOND, abs=2)


def test_clients_of_one_device_share_its_uplink_and_those_beside_the_server_need_none():
    slow = {"d0": (8e3, 8e9), "d1": (8e3, 8e9)}
    one = Run(devices=1, **EVERYONE).until(1, slow).reports[0]
    two = Run(devices=2, **EVERYONE).until(1, slow).reports[0]
    assert one.bytes_up * 2 == two.bytes_up
    assert one.duration_ns == two.duration_ns > one.bytes_up / 1e3 * SECOND
    beside = Run(devices=1, server="d0", **EVERYONE).until(1, slow).reports[0]
    assert beside.duration_ns == 0 and beside.participants == ("d0/s0", "d0/s1")


def test_order_of_clients_changes_nothing_to_the_bit():
    one, other = Run(order=1).until(8), Run(order=-1).until(8)
    assert one.reports == other.reports and same(one.parameters(), other.parameters())


def test_a_federation_of_one_changes_nothing_but_its_fine_tuning():
    run = Run(devices=1, mix=1)
    alone = ToyStack((2, 8, 2), 1, 10)
    for _ in range(100):
        learned, rounds = len(run.learned), len(run.reports)
        run.step()
        for t, _ in run.learned[learned:]:
            alone.learn(0, t)
        if len(run.reports) > rounds:
            alone.fine_tune([0])
        assert same(alone.get(0), run.stacks[0].get(0))
    assert len(run.reports) > 5


def test_a_silent_device_is_waited_for_and_then_done_without():
    run = Run(**EVERYONE).until(1, {"d1": (0, 1e9)})
    report = run.reports[0]
    assert (report.ended, report.changed, report.silent) == ("quorum", True, ("d1/s0", "d1/s1"))
    assert 6 * SECOND <= report.duration_ns < 7 * SECOND
    while "d1/s0" in run.fed.waiting:
        run.step()
    assert run.fed.clients["d1/s0"].timeouts == 1 and run.t == 40
    learned = len(run.learned)
    run.until(4)
    assert any(name == "d1/s0" for _, name in run.learned[learned:])
    assert "d1/s0" in run.reports[-1].participants


def test_an_outage_only_delays_an_upload():
    run = Run(**EVERYONE)
    while not run.reports:
        run.step({"d1": (0.0 if run.t in (9, 10, 11) else 1e6, 1e6)})
    report = run.reports[0]
    assert report.silent == () and 3 * SECOND < report.duration_ns < 4 * SECOND and run.fed.waiting == set()


def test_with_most_of_them_silent_the_model_stays_and_the_rest_go_on_at_once():
    run = Run(devices=3, mix=1, **EVERYONE).until(1)
    before = run.fed.model.named()
    out = {f"d{i}": (0.0, 0.0) for i in range(3)}
    run.until(2, out)
    report = run.reports[1]
    assert (report.ended, report.changed, report.participants) == ("timer", False, ())
    assert report.duration_ns == 20 * SECOND and same(run.fed.model.named(), before)
    assert set(run.fed.steps.values()) == {6}


def test_an_upload_that_comes_after_its_round_is_refused_and_counted():
    run = Run(mix=1, **EVERYONE)
    slow = {"d1": (600.0, 1e9)}  # an upload takes seven seconds
    run.until(4, slow)
    assert run.reports[0].silent == ("d1/s0",)
    assert all("d1/s0" not in report.participants and report.changed for report in run.reports)
    while run.t < 120:
        run.step(slow)
    refused = run.fed.cells[""].server.refused
    assert set(refused) == {"old-round"} and run.fed.clients["d1/s0"].timeouts >= refused["old-round"] > 0


def test_what_nobody_waits_for_any_more_leaves_the_link():
    run = Run(devices=1, mix=1, client={"timeout_ns": 21 * SECOND})
    while run.t < 40:
        run.step({"d0": (0, 1e9)})
    # The upload of 10 s was given up at 31 s; that of 40 s, 4200 bits at 1 kbit/s, does not queue behind it.
    while len(run.reports) < 2:
        run.step({"d0": (1e3, 1e9)})
    first, second = run.reports
    assert not first.changed and second.changed and 5 * SECOND < second.duration_ns < 6 * SECOND
    assert second.refused == {}


def test_those_who_cannot_be_ready_in_time_are_not_asked():
    run = Run(devices=3, mix=1, client={"steps": 50, "steps_max": 50, "fl_every": 2}, **EVERYONE)
    for t, name in ((50, "d0/s0"), (60, "d2/s0"), (75, "d1/s0"), (100, "d0/s0")):
        run.fed.after_step(t * SECOND, {name: 0.5})
    # d2 will be due at 110 s, d1 at 125 s, which is more than the timer's 20 s away.
    assert run.fed.cells[""].server.selected == ("d0/s0", "d2/s0")


def test_a_participant_whose_reply_is_lost_gives_up_and_learns_on():
    run = Run(**EVERYONE).until(1, {"d2": (1e9, 0)})
    report = run.reports[0]
    assert report.unreached == ("d2/s0", "d2/s1") and report.changed
    assert run.t == 40 and run.fed.waiting == set()
    assert report.duration_ns < SECOND
    assert run.fed.steps == {"d0/s0": 6, "d0/s1": 6, "d1/s0": 6, "d1/s1": 6, "d2/s0": 5, "d2/s1": 5}


def spoil(stack, kind):
    if kind == "not-finite":
        stack.agents[1]["backbone.w1"][0, 0] = np.nan
    elif kind == "shapes":
        stack.agents[1]["batch.b"] = np.zeros(9, np.float32)
    elif kind == "names":
        del stack.agents[1]["batch.b"]
    else:
        stack.learn = lambda i, step: float("nan") if i == 1 else 0.5


@pytest.mark.parametrize("kind", ["not-finite", "shapes", "names", "loss"])
def test_a_client_that_sends_rubbish_is_refused_counted_and_survived(kind):
    run = Run(mix=1, **EVERYONE)
    spoil(run.stacks[0], kind)
    report = run.until(1).reports[0]
    assert report.refused == {kind: 1} and report.silent == ("d1/s0",) and report.changed
    assert report.participants == ("d0/s0", "d2/s0")
    run.until(4)
    good = [run.stacks[0].get(i) for i in (0, 2)]
    assert all(np.isfinite(array).all() for arrays in good for array in arrays.values())
    assert run.fed.cells[""].server.refused[kind] >= 2


def test_those_not_selected_go_on_and_keep_step():
    run = Run(devices=4, epsilon=0.0).until(6)
    for report in run.reports:
        assert len(report.participants) == 4  # two of four devices, with two clients each
        assert report.ended == "all"
    assert set(run.fed.steps.values()) == {8}
    rounds = [report.opened_ns // SECOND for report in run.reports]
    assert rounds == [10, 22, 36, 52, 68, 84]  # 2 x 5 steps, then 2 x 6 and so on, up to 2 x 8
    assert {name for report in run.reports for name in report.participants} == set(run.fed.clients)


def test_selection_uses_what_an_update_says():
    run = Run(devices=2, mix=1, epsilon=0.0, client={"fl_every": 1})
    updates = {"d0/s0": Updated(0.1, mean_square=9.0), "d1/s0": Updated(5.0, time_s=1000.0)}
    run.fed.after_step(SECOND, updates)
    assert run.fed.waiting == {"d0/s0"}


def test_a_client_without_memory_takes_no_part():
    run = Run(devices=2, mix=1, client={"fl_every": 1}, **EVERYONE)
    small = Updated(0.5, needed_mb=2.0, memory_mb=1.0)
    run.fed.after_step(SECOND, {"d0/s0": 0.5, "d1/s0": small})
    assert run.fed.waiting == {"d0/s0"}
    for t in (2, 3):
        run.fed.after_step(t * SECOND, {})
    run.fed.after_step(4 * SECOND, {"d1/s0": small})
    assert run.fed.waiting == set()


def test_one_cluster_with_its_cloud_equals_flat_to_the_bit():
    flat = Run(seed=3).until(12)
    hierarchical = Run(seed=3, clusters={f"d{i}": "x" for i in range(3)}, cloud_every=2).until(12)
    assert hierarchical.fed.cloud.exchanges == 6
    assert same(flat.parameters(), hierarchical.parameters())
    assert [r.shares for r in flat.reports] == [r.shares for r in hierarchical.reports]


def test_clusters_have_rounds_of_their_own_and_exchange_through_the_cloud():
    run = Run(devices=4, clusters={"d0": "x", "d1": "x", "d2": "y", "d3": "y"}, cloud_every=2, **EVERYONE).until(2)
    assert {report.cluster for report in run.reports} == {"x", "y"}
    assert {name[:2] for name in run.reports[0].participants} == {"d0", "d1"}
    models = [cell.server.model.named() for cell in run.fed.cells.values()]
    assert not same(*models) and run.fed.model.groups == {}
    run.until(4)
    models = [cell.server.model.named() for cell in run.fed.cells.values()]
    assert same(*models) and same(models[0], run.fed.model.named())


@pytest.mark.parametrize("clusters", [None, {"d0": "x", "d1": "x", "d2": "y"}])
@pytest.mark.parametrize("stop", [3, 10, 11, 12, 19, 40, 41, 60])
def test_a_run_goes_on_where_it_was_saved(clusters, stop):
    # A slow uplink and a lost downlink leave messages on their way at most of the stops.
    links = {"d0": (2e3, 1e9), "d1": (1e6, 1e3), "d2": (1e6, 0)}
    whole, first, second = (Run(clusters=clusters, seed=5, cloud_every=1) for _ in range(3))
    for _ in range(stop):
        whole.step(links)
        first.step(links)
    arrays, plain = first.fed.state_dict()
    second.fed.load(arrays, json.loads(json.dumps(plain)))
    second.stacks[0].agents, second.stacks[1].agents = first.stacks[0].agents, first.stacks[1].agents
    second.counter, second.t, second.reports = first.counter, first.t, list(first.reports)
    for _ in range(80):
        whole.step(links)
        second.step(links)
    assert whole.reports == second.reports and len(whole.reports) > 1
    assert same(whole.parameters(), second.parameters())


def test_wrong_calls_are_refused():
    run = Run()
    with pytest.raises(FedError, match="no client 'x'"):
        run.fed.after_step(SECOND, {"x": 1.0})
    with pytest.raises(FedError, match="now_ns = 0"):
        run.fed.after_step(SECOND, {})
        run.fed.after_step(0, {})
    with pytest.raises(FedError, match="at least one client"):
        Federation(FedConfig(), [])
    clients = list(run.fed.clients.values())
    with pytest.raises(FedError, match="two clients are called 'd0/s0'"):
        Federation(FedConfig(), [clients[0], clients[0]])
    with pytest.raises(FedError, match="device 'd0' of client 'd0/s0' is in no cluster"):
        Federation(FedConfig(), clients, clusters={"d1": "x", "d2": "x"})
    with pytest.raises(FedError, match="other clients"):
        Run(devices=2).fed.load(*run.fed.state_dict())


@pytest.mark.parametrize(
    "settings", [{"weighting": "size"}, {"timer_ns": 0}, {"timer_ns": 31 * SECOND}, {"latency_ns": -1}]
)
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(FedError, match="expected"):
        FedConfig(**settings)
