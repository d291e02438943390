"""What the owner of a host machine relies on."""

import msgspec
import numpy as np
import pytest

from octogym.bridge.protocol import DeployError, HostMachine, Peer
from octogym.bridge.protocol import facts as f
from octogym.bridge.protocol.codec import encode
from octogym.bridge.protocol.messages import Fault, Hello, Obs, Ping
from tests.bridge.protocol.histories import MS, SECOND
from tests.bridge.protocol.pair import Board, Pair


def test_steps_apply_every_decision_in_its_window_and_report_it_fresh():
    pair = Pair()
    first = pair.start()
    for window in range(first, first + 5):
        sent, facts = pair.step(window)
        assert sent == ("a", "b")
        for fact in facts.values():
            assert fact.present and fact.fresh and fact.act == "" and fact.fault == ""
            assert (fact.acted_window, fact.missed, fact.age_ns, fact.windows) == (window, 0, 20 * MS, 1)
            assert fact.window_ns == SECOND
    assert pair.boards["a"].applied() == list(range(first, first + 5))
    assert pair.host.refused == {} and pair.nodes["a"].refused == {}


def test_the_state_at_the_start_of_an_episode_is_the_window_before_the_first():
    pair = Pair()
    pair.run(0.5)
    first = pair.host.start(pair.t)
    pair.until(pair.host.collect_at(first - 1))
    facts = pair.host.collect(pair.t, first - 1)
    assert all(fact.fresh and fact.windows == 0 and fact.window_ns == 0 for fact in facts.values())


def test_a_decision_for_the_next_window_is_held_until_then():
    pair = Pair()
    first = pair.start()
    pair.host.act(pair.t, first + 1, {"a": pair.decision("a")})
    pair.run(0.1)
    assert pair.boards["a"].applied() == []
    pair.until(pair.host.collect_at(first + 1))
    assert pair.boards["a"].applied() == [first + 1]
    pair.host.collect(pair.t, first)
    assert pair.host.collect(pair.t, first + 1)["a"].act == ""


def test_act_refuses_the_past_silently_and_the_far_future_loudly():
    pair = Pair()
    first = pair.start()
    pair.run(2.5)
    assert pair.host.act(pair.t, first, {"a": pair.decision("a")}) == ()
    with pytest.raises(ValueError, match="allowed"):
        pair.host.act(pair.t, first + 30, {"a": pair.decision("a")})


def test_one_decision_per_window():
    pair = Pair()
    first = pair.start()
    pair.host.act(pair.t, first, {"a": pair.decision("a")})
    with pytest.raises(ValueError, match="already"):
        pair.host.act(pair.t, first, {"a": pair.decision("a")})


def test_windows_are_collected_in_order():
    pair = Pair()
    first = pair.start()
    pair.step(first)
    with pytest.raises(ValueError, match="later"):
        pair.host.collect(pair.t, first - 1)


def test_a_lost_observation_loses_no_count():
    pair = Pair()
    first = pair.start()
    pair.step(first)
    pair.drop = lambda up, name, frames: up and name == "a" and _is(frames, Obs)
    _, facts = pair.step(first + 1)
    assert (facts["a"].fresh, facts["a"].stale, facts["a"].fault, facts["a"].missed) == (False, True, f.STALE, 1)
    assert facts["b"].fresh
    pair.drop = lambda *_: False
    _, facts = pair.step(first + 2)
    assert facts["a"].fresh and facts["a"].windows == 2 and facts["a"].window_ns == 2 * SECOND
    assert (facts["a"].rows.counters == facts["b"].rows.counters).all()


def test_an_observation_that_comes_after_its_window_was_collected_counts_as_late():
    pair = Pair()
    first = pair.start()
    kept = []
    pair.drop = lambda up, name, frames: up and name == "a" and _is(frames, Obs) and not kept.append(frames)
    _, facts = pair.step(first)
    assert not facts["a"].fresh
    pair.drop = lambda *_: False
    pair.host.receive(pair.t, pair.keys["a"], kept[0])
    _, facts = pair.step(first + 1)
    assert facts["a"].late == 1 and facts["a"].fresh


def test_an_observation_that_may_be_of_an_earlier_window_is_not_fresh():
    pair = Pair()
    first = pair.start()
    # The device hears of no window, so nothing shows that it took what it sends after this one began.
    pair.drop = lambda up, name, frames: not up and name == "a" and _is(frames, Ping)
    _, facts = pair.step(first + 1)
    assert not facts["a"].fresh and facts["a"].fault == f.STALE and facts["b"].fresh
    assert facts["a"].missed == 0 and (facts["a"].rows.counters == facts["b"].rows.counters).all()


def test_a_slow_owner_still_gets_each_window_by_itself():
    pair = Pair()
    first = pair.start()
    pair.host.act(pair.t, first, {"a": pair.decision("a")})
    pair.run(3)  # the owner was busy for three windows
    facts = pair.host.collect(pair.t, first)
    assert facts["a"].fresh and facts["a"].windows == 1
    assert facts["a"].rows.counters[0, 0] == 2  # the start's and this window's
    assert pair.host.collect(pair.t, first + 2)["a"].windows == 2


def test_a_device_whose_first_window_is_still_to_come_is_joining():
    pair = Pair()
    first = pair.start()
    pair.step(first)
    pair.boot("a", board=Board())
    pair.host.collect(pair.t, first)  # tells of the restart
    pair.step(first + 1)
    assert pair.host.act(pair.t, first + 2, {"a": pair.decision("a")}) == ("a",)
    pair.boot("a", board=Board())
    pair.run(0.2)  # greeted, placed and started within a window: its first is the next one
    facts = [pair.host.collect(pair.t, window)["a"] for window in (first + 1, first + 1)]
    assert not facts[1].present and facts[0].fault == f.RESTARTED and facts[1].fault == f.JOINING


def test_a_restart_is_told_of_though_the_device_greets_twice():
    pair = Pair()
    first = pair.start()
    pair.step(first)
    pair.boot("a", board=Board())
    pair.drop = lambda up, name, frames: not up and name == "a"  # no answer arrives, so it greets again and again
    pair.run(0.4)
    pair.drop = lambda up, name, frames: False
    _, facts = pair.step(first + 1)
    assert facts["a"].fault == f.RESTARTED
    assert pair.step(first + 2)[1]["a"].fault == ""


def test_a_device_that_restarts_is_unmasked_again_and_its_counts_go_on():
    pair = Pair()
    first = pair.start()
    for window in range(first, first + 3):
        _, facts = pair.step(window)
    before = facts["a"].rows.counters.copy()
    pair.boot("a", board=Board())
    _, facts = pair.step(first + 3)
    assert facts["a"].fault == f.RESTARTED and facts["a"].acted_window == -1 and facts["b"].fault == ""
    _, facts = pair.step(first + 4)
    _, facts = pair.step(first + 5)
    assert facts["a"].present and facts["a"].fresh and facts["a"].acted_window == first + 5
    assert (facts["a"].rows.counters > before).all()


def test_link_down_is_a_fact_until_the_device_is_heard_again():
    pair = Pair()
    first = pair.start()
    pair.drop = lambda up, name, frames: name == "a"
    pair.host.link(pair.t, pair.keys["a"], False)
    sent, facts = pair.step(first)
    assert sent == ("b",) and facts["a"].fault == f.LINK_DOWN and facts["a"].link_down and not facts["a"].present
    pair.drop = lambda *_: False
    pair.step(first + 1)
    _, facts = pair.step(first + 2)
    assert facts["a"].present and facts["a"].fresh and not facts["a"].link_down


def test_a_revoked_key_is_dropped_at_once_and_may_come_back():
    pair = Pair()
    first = pair.start()
    pair.host.act(pair.t, first, {"a": pair.decision("a")})
    pair.host.revoke(pair.t, pair.keys["a"])
    assert all(key != pair.keys["a"] for key, _ in pair.host.outbox())
    _, facts = pair.step(first + 1)
    assert facts["a"].fault == f.REVOKED and not facts["a"].present and facts["b"].fresh
    assert pair.host.refused["stranger"] > 0
    pair.host.allow(pair.t, pair.keys["a"], "a")
    pair.run(4)
    _, facts = pair.step(pair.host.window(pair.t) + 1)
    assert facts["a"].present and facts["a"].fresh


def test_a_key_belongs_to_one_device():
    pair = Pair()
    with pytest.raises(ValueError, match="key of its own"):
        pair.host.allow(pair.t, pair.keys["b"], "a")


@pytest.mark.parametrize(("host", "node", "spoken"), [((2, 1), (1,), 1), ((2, 1), (3, 2), 2), ((2, 1), (2, 1), 2)])
def test_the_highest_common_version_is_spoken(host, node, spoken):
    pair = Pair(versions=host, node_versions=node)
    pair.run(0.5)
    assert pair.host.ready() == {"a": True, "b": True}
    assert pair.nodes["a"].version == spoken == pair.host.status(pair.t)["a"].version


def test_no_common_version_is_refused_in_words():
    pair = Pair(versions=(2, 1), node_versions=(5, 4))
    pair.run(0.5)
    code, text = pair.nodes["a"].rejected
    assert code == "version" and "2 or 1" in text
    assert pair.host.refused["version"] >= 1 and pair.host.status(pair.t)["a"].state == "absent"


def test_a_device_that_says_it_is_another_is_refused():
    pair = Pair()
    pair.run(0.5)
    pair.host.receive(pair.t, pair.keys["a"], encode(Hello([1], "b", 5, 99)))
    assert pair.host.refused == {"identity": 1}
    assert pair.host.status(pair.t)["b"].refused == {}


def test_an_earlier_process_of_a_device_cannot_come_back():
    pair = Pair()
    pair.start()
    old = pair.nodes["a"]
    pair.boot("a", board=Board())
    pair.run(2)
    new = pair.nodes["a"]
    pair.nodes["a"] = old
    pair.run(4)  # it hears nothing, greets, and is told why not
    assert old.rejected[0] == "superseded"
    pair.nodes["a"] = new
    pair.run(3)
    assert new.state == "running" and new.session == 77


def test_a_frame_of_a_stranger_costs_nothing_and_is_counted():
    pair = Pair()
    pair.host.receive(pair.t, b"nobody", encode(Hello([1], "a", 1, 1)))
    assert pair.host.refused == {"stranger": 1} and pair.host.outbox() == []


def test_one_keys_flood_does_not_touch_the_others():
    pair = Pair()
    first = pair.start()
    for _ in range(3000):
        pair.host.receive(pair.t, pair.keys["a"], encode(Fault(77, 1, 0, -1, "noise")))
    assert pair.host.refused["rate"] > 2000
    _, facts = pair.step(first)
    assert facts["b"].fresh and facts["b"].fault == ""
    pair.step(first + 1)
    _, facts = pair.step(first + 2)
    assert facts["a"].fresh


def test_a_device_that_greets_without_end_is_not_placed_without_end():
    pair = Pair()
    pair.run(1)
    for nonce in range(100, 300):
        pair.host.receive(pair.t, pair.keys["a"], encode(Hello([1], "a", 1001, nonce)))
    assert pair.host.refused["rate"] >= 190


def test_a_deployment_that_cannot_run_is_a_fault_with_words_and_is_tried_again():
    pair = Pair(boards={"a": Board(error=DeployError("no-model", "put yolo.onnx into the store")), "b": Board()})
    first = pair.start()
    _, facts = pair.step(first)
    assert facts["a"].fault == f.DEPLOY and "yolo.onnx" in facts["a"].text and not facts["a"].present
    assert facts["b"].fresh and pair.host.status(pair.t)["a"].state == "failed"
    pair.boards["a"]._error = None
    pair.run(8)
    _, facts = pair.step(pair.host.window(pair.t) + 1)
    assert facts["a"].present


def test_a_deployment_may_take_long():
    pair = Pair(boards={"a": Board(done=False), "b": Board()})
    pair.run(20)
    assert pair.host.ready() == {"a": False, "b": True} and pair.boards["a"].log == ["deploy"]
    pair.nodes["a"].deployed(pair.t, pair.boards["a"].deployment)
    pair.run(0.1)
    assert pair.host.ready() == {"a": True, "b": True}


def test_peers_are_told_to_all_others_and_again_after_a_restart():
    pair = Pair()
    pair.start()
    peers = {name: Peer(name, f"tcp://10.0.0.{k}:7000", "00" * 32) for k, name in enumerate(pair.names)}
    pair.host.set_peers(pair.t, peers)
    pair.run(1)
    assert ("peers", ["b"]) in pair.boards["a"].log and ("peers", ["a"]) in pair.boards["b"].log
    pair.boot("a", board=Board())
    pair.run(2)
    assert ("peers", ["b"]) in pair.boards["a"].log


def test_a_reset_drains_every_device_and_counts_from_zero_in_a_new_epoch():
    pair = Pair()
    first = pair.start()
    pair.step(first)
    epoch = pair.nodes["a"].epoch
    episode = pair.host.reset(pair.t, seed=9)
    again = pair.start()
    _, facts = pair.step(again)
    assert ("reset", 9) in pair.boards["a"].log and pair.nodes["a"].episode == episode
    assert pair.nodes["a"].epoch > epoch
    assert pair.boards["a"].log.count("deploy") == 1  # the same placement is not made twice
    assert facts["a"].fresh and (facts["a"].rows.counters == 2).all()


def test_a_device_says_good_bye_without_alarm():
    pair = Pair()
    first = pair.start()
    pair.nodes["a"].bye(pair.t, "upgrade")
    _, facts = pair.step(first)
    assert (facts["a"].fault, facts["a"].text, facts["a"].present) == (f.BYE, "upgrade", False)
    pair.boot("a", board=Board())
    pair.run(2)
    _, facts = pair.step(pair.host.window(pair.t) + 1)
    assert facts["a"].present and facts["a"].fault == ""


def test_faults_of_an_instance_reach_the_step():
    pair = Pair()
    first = pair.start()
    pair.nodes["a"].fault(pair.t, 0, "engine", "no answer for 3 s")
    _, facts = pair.step(first)
    assert (facts["a"].fault, facts["a"].text) == ("engine", "no answer for 3 s")
    _, facts = pair.step(first + 1)
    assert facts["a"].fault == ""


def test_a_new_host_takes_over_nodes_that_never_noticed():
    pair = Pair()
    pair.start()
    pair.host = HostMachine(pair.t, 78, SECOND, {key: name for name, key in pair.keys.items()})
    pair.host.deploy(pair.t, pair.deployments)
    pair.run(2)
    first = pair.start()
    _, facts = pair.step(first)
    assert all(fact.fresh and fact.acted_window == first for fact in facts.values())
    assert pair.boards["a"].log.count("deploy") == 1


def test_complete_says_when_waiting_longer_brings_nothing():
    pair = Pair()
    first = pair.start()
    assert not pair.host.complete(first)
    pair.until(pair.host.tick_ns(first))
    assert pair.host.complete(first)


def test_status_shows_clocks_and_silence():
    pair = Pair()
    pair.start()
    status = pair.host.status(pair.t)["a"]
    assert status.state == "running" and status.offset_ns == 0 and status.bound_ns == 0 and status.silent_ns <= SECOND
    assert status.hello.device == "a"
    assert [event.kind for event in pair.host.events()].count("started") == 2
    assert pair.host.events() == []


def test_nothing_is_decided_for_a_device_that_does_not_count_windows():
    pair = Pair(boards={"b": Board()})
    first = pair.start()
    sent, facts = pair.step(first, {name: pair.decision(name) for name in pair.names})
    assert sent == ("b",) and facts["a"].fault == f.ABSENT and facts["a"].rows is None and facts["a"].age_ns == -1


@pytest.mark.parametrize("bad", [{"session": 0}, {"period_ns": 10}, {"grace_ns": SECOND}])
def test_bad_settings_are_refused(bad):
    settings = {"now_ns": 0, "session": 1, "period_ns": SECOND, "roster": {}, "grace_ns": 0}
    with pytest.raises(ValueError, match="allowed"):
        HostMachine(**{**settings, **bad})


def test_histogram_bins_arrive_though_observations_are_lost():
    pair = Pair(names=("a",))
    first = pair.start()
    lost = iter([True, True, False, True, False])
    state = {"lost": False}
    pair.drop = lambda up, name, frames: up and _is(frames, Obs) and state["lost"]
    for window in range(first, first + 5):
        state["lost"] = next(lost)
        pair.boards["a"].rows.histograms[0, 0, window % 7] += 3
        _, facts = pair.step(window)
    assert np.array_equal(facts["a"].rows.histograms, pair.boards["a"].rows.histograms)


def _is(frames, kind):
    return msgspec.msgpack.decode(frames[0])["type"] == kind.__struct_config__.tag
