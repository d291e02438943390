"""What a device does by itself: when its host is gone, when its own process stood still, when it is told nonsense."""

import msgspec
import numpy as np
import pytest

from octogym.bridge.protocol import DecisionRows, ObsRows
from octogym.bridge.protocol import messages as m
from octogym.bridge.protocol.codec import encode
from octogym.bridge.protocol.tables import encode_tables, pack
from tests.bridge.protocol.histories import MS, SECOND
from tests.bridge.protocol.pair import Board, Pair


@pytest.fixture
def running():
    """A pair in its first window, after one decision."""
    pair = Pair(names=("a",))
    pair.first = pair.start()
    pair.step(pair.first)
    return pair


def test_without_a_host_the_safe_settings_come_after_three_periods_and_local_shares_after_thirty(running):
    share = {"share_milli": [300, 700]}
    running.step(running.first + 1, {"a": running.decision("a", **share)})
    begins = running.host.tick_ns(running.first)
    running.drop = lambda *_: True
    board = running.boards["a"]
    running.until(begins + 4 * SECOND - MS)
    assert not [entry for entry in board.log if entry[0] in ("safe", "local")]
    running.until(begins + 4 * SECOND + 10 * MS)
    assert board.log[-1] == ("safe", [True])
    running.until(begins + 31 * SECOND - MS)
    assert board.log[-1] == ("safe", [True])
    running.until(begins + 31 * SECOND + 10 * MS)
    assert board.log[-1] == ("local", [True, True])
    assert running.nodes["a"].state == "running" and running.nodes["a"].greeting


def test_decisions_that_keep_everything_do_not_prolong_validity(running):
    keep = DecisionRows.keep(running.deployments["a"])
    for window in range(running.first + 1, running.first + 3):
        running.step(window, {"a": keep})
    running.host.act(running.t, running.first + 3, {"a": keep})
    running.until(running.host.tick_ns(running.first + 3) - MS)
    assert not [entry for entry in running.boards["a"].log if entry[0] == "safe"]
    running.until(running.host.tick_ns(running.first + 3) + MS)
    assert [entry for entry in running.boards["a"].log if entry[0] == "safe"] == [("safe", [True])]


def test_the_initial_settings_expire_too(running):
    running.host.reset(running.t, 1)
    first = running.start()
    running.until(running.host.collect_at(first + 3))
    assert running.boards["a"].log[-1] == ("safe", [True])


def test_a_host_that_leaves_on_purpose_leaves_it_safe_at_once(running):
    running.host.bye(running.t, "done")
    running.run(0.1)
    assert running.boards["a"].log[-2:] == [("safe", [True]), ("local", [True, True])]
    assert running.nodes["a"].state == "greeting"


def test_an_instance_of_its_onboard_agent_is_left_alone_without_override():
    pair = Pair(names=("a",), control="agent")
    first = pair.start()
    rows = pair.decision("a", share_milli=[500, 500])
    pair.step(first, {"a": rows})
    applied = next(entry for entry in reversed(pair.boards["a"].log) if entry[0] == "apply")[2]
    assert (applied.settings[1:] == -1).all() and (applied.timeout_ns == -1).all()
    assert applied.share_milli.tolist() == [500, 500]
    pair.step(first + 1, {"a": rows}, override=True)
    assert pair.boards["a"].log[-1][2].settings.tolist() == rows.settings.tolist()


def test_an_onboard_agent_decides_in_every_window_unless_the_host_overrides_it():
    pair = Pair(names=("a",), control="agent")
    first, board = pair.start(), pair.boards["a"]
    for k in range(9):
        pair.step(first + k, {"a": pair.decision("a")}, override=k == 2)
    # What the host says in the third window holds for that and three more.
    assert board.agents == [(first + k, [k not in (3, 4, 5)]) for k in range(10)]
    assert [entry for entry in board.log if entry[0] == "safe"][-1] == ("safe", [True])


def test_an_onboard_agent_goes_on_without_a_host():
    pair = Pair(names=("a",), control="agent")
    first, board = pair.start(), pair.boards["a"]
    pair.step(first, {"a": pair.decision("a")})
    pair.drop = lambda up, name, frames: True  # as if the host had died
    pair.run(5)
    assert [window for window, _ in board.agents] == list(range(first, first + 7))
    pair.drop = lambda up, name, frames: False
    pair.step(first + 7, {"a": pair.decision("a")})
    before = len(board.agents)
    pair.host.bye(pair.t, "ends")
    pair.exchange()
    now, node = pair.t, pair.nodes["a"]
    while now <= pair.t + 6 * SECOND:  # nobody answers any more
        node.tick(now)
        node.outbox()
        now = node.deadline_ns()
    assert pair.nodes["a"].state == "greeting"
    assert [of for _, of in board.agents[before:]] == [[True]] * 6


def test_without_agents_nobody_decides_on_board(running):
    running.step(running.first + 1)
    assert running.boards["a"].agents == []


def test_a_process_that_stood_still_applies_nothing_that_is_over_and_tells_how_long_it_slept(running):
    node, board = running.nodes.pop("a"), running.boards["a"]
    frozen = []
    for k in range(1, 4):
        running.host.act(running.t, running.first + k, {"a": running.decision("a")})
        frozen += [frames for _, frames in running.host.outbox()]
        running.until(running.host.collect_at(running.first + k))
        running.host.collect(running.t, running.first + k)
    applied = board.applied()
    for frames in frozen:
        node.receive(running.t, b"", frames)
    assert board.applied() == applied
    running.nodes["a"] = node
    _, facts = running.step(running.first + 4)
    assert facts["a"].late == 1 and facts["a"].fresh and facts["a"].windows == 4


def _act(pair, seq, window, **changes):
    tables, payload = pack(
        {
            "settings": np.full((5, 1), -1, np.int32),
            "timeout_ns": np.full(1, 5, np.int64),
            "share_milli": np.full(2, 65535, np.uint16),
            **changes,
        }
    )
    return encode(m.Act(77, pair.nodes["a"].epoch, seq, window, encode_tables(tables)), payload)


def _codes(node):
    return [
        (reply["seq"], reply["code"])
        for reply in (msgspec.msgpack.decode(frames[0]) for _, frames in node.outbox())
        if reply["type"] == "ack"
    ]


def test_a_decision_sent_twice_is_applied_once_and_answered_twice(running):
    node, window = running.nodes["a"], running.nodes["a"].window
    for _ in range(2):
        node.receive(running.t, b"", _act(running, 50, window))
    assert running.boards["a"].applied().count(window) == 1
    assert _codes(node) == [(50, ""), (50, "")]


def test_a_decision_that_was_overtaken_is_dropped(running):
    node, window = running.nodes["a"], running.nodes["a"].window
    node.receive(running.t, b"", _act(running, 51, window))
    node.receive(running.t, b"", _act(running, 50, window))
    assert running.boards["a"].applied().count(window) == 1 and node.refused == {"order": 1}


@pytest.mark.parametrize(("shift", "code"), [(-1, "late"), (0, ""), (1, "held"), (2, "early")])
def test_a_decision_counts_in_its_window_alone(running, shift, code):
    node = running.nodes["a"]
    node.receive(running.t, b"", _act(running, 50, node.window + shift))
    assert _codes(node) == [(50, code)]
    assert len(running.boards["a"].applied()) == 1 + (code == "")


def test_the_hosts_later_window_makes_a_decision_late_whatever_the_nodes_clock_says(running):
    node = running.nodes["a"]
    node.receive(running.t, b"", encode(m.Ping(77, node.epoch, running.t, node.window + 1)))
    node.outbox()
    node.receive(running.t, b"", _act(running, 50, node.window))
    assert _codes(node) == [(50, "late")]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"settings": np.full((5, 1), 99, np.int32)}, "active = 99"),
        ({"settings": np.full((5, 1), 0, np.int32)}, "pack = 0"),
        ({"timeout_ns": np.full(1, -3, np.int64)}, "timeout_ns = -3"),
        ({"share_milli": np.array([500, 400], np.uint16)}, "sum to 900"),
        ({"share_milli": np.array([1000, 65535], np.uint16)}, "sum to 1000"),
        ({"settings": np.full((5, 2), 1, np.int32)}, "shape"),
        ({"settings": np.full((5, 1), 1, np.int64)}, "int64"),
    ],
)
def test_a_decision_out_of_range_is_answered_with_what_is_allowed(running, changes, words):
    node = running.nodes["a"]
    node.outbox()
    node.receive(running.t, b"", _act(running, 50, node.window, **changes))
    reply = msgspec.msgpack.decode(node.outbox()[-1][1][0])
    assert reply["code"] == "invalid" and words in reply["text"]
    assert sum(node.refused.values()) == 1 and len(running.boards["a"].applied()) == 1


def test_commands_of_another_session_or_epoch_are_dropped(running):
    node = running.nodes["a"]
    node.receive(running.t, b"", encode(m.Reset(5, node.epoch, 60, 9, 9)))
    node.receive(running.t, b"", encode(m.Reset(77, node.epoch - 1, 60, 9, 9)))
    assert node.refused == {"session": 1, "epoch": 1}
    assert ("reset", 9) not in running.boards["a"].log


def test_a_deployment_whose_bytes_are_others_is_not_run(running):
    node = running.nodes["a"]
    node.receive(running.t, b"", encode(m.Deploy(77, node.epoch + 1, 1, "0" * 64), b"other bytes"))
    assert node.refused == {"hash": 1} and running.boards["a"].log.count("deploy") == 1


def test_windows_move_to_the_hosts_grid_a_little_each_time(running):
    node, tick = running.nodes["a"], running.host.tick_ns(running.first + 1)
    ticks = []
    for k in range(4):
        window = running.first + 1 + k
        ping = m.Ping(77, node.epoch, running.t, window, tick_ns=tick + k * SECOND + 40 * MS)
        node.receive(tick + k * SECOND - 100 * MS, b"", encode(ping))
        ticks.append(msgspec.msgpack.decode(node.outbox()[-1][1][0])["tick_ns"])
    assert [later - tick - k * SECOND for k, later in enumerate(ticks)] == [0, SECOND // 64, SECOND // 32, 40 * MS]


def test_a_clock_that_is_set_back_does_not_stop_the_windows(running):
    node = running.nodes["a"]
    window = node.window
    node.tick(running.t - 3600 * SECOND)
    assert node.deadline_ns() <= running.t - 3600 * SECOND + SECOND
    node.tick(node.deadline_ns())
    assert node.window == window + 1


def test_the_outbox_of_an_owner_that_never_sends_stays_small():
    pair = Pair(names=("a",), boards={"a": Board()})
    node = pair.nodes["a"]
    for _ in range(2000):
        node.tick(node.deadline_ns())
    assert len(node.outbox()) <= 256


def _next_obs(pair, node):
    """The observation at the next tick, its rows and its bins."""
    node.outbox()
    pair.t = node.deadline_ns()
    node.tick(pair.t)
    header, payload = next(frames for _, frames in node.outbox() if b"\xa3obs" in frames[0])
    obs, rows = msgspec.msgpack.decode(header, type=m.Obs), ObsRows.zeros(pair.boards["a"].deployment)
    found = rows.layout.read(obs.tables, payload)
    rows.memory[:] = found.fixed
    return obs, rows, dict(np.stack([found.bins, found.counts], 1).tolist())


def test_an_observation_that_was_prepared_is_the_one_that_would_have_been_sent(running):
    board, node = running.boards["a"], running.nodes["a"]
    board.bump = 0
    board.rows.counters[:], board.rows.histograms[0, 0, 5], board.rows.flags[1] = 9, 3, 2
    assert not node.windows.preparable
    running.run(0.2)  # the host has named this window
    assert node.windows.preparable
    node.windows.prepare(board.rows)
    assert not node.windows.preparable
    board.rows.counters[:] = 10  # against the rule: it shows that the frame was ready
    obs, rows, bins = _next_obs(running, node)
    assert obs.safe and obs.window == node.window - 1 and (rows.counters == 9).all() and bins[5] == 3
    # The next one is not prepared before the host has named its window.
    assert not node.windows.preparable
    node.windows.prepare(board.rows)
    board.rows.counters[:] = 11
    assert (_next_obs(running, node)[1].counters == 11).all()


def test_what_was_prepared_is_not_sent_for_other_rows_or_after_another_start(running):
    board, node = running.boards["a"], running.nodes["a"]
    running.run(0.2)
    board.bump, board.rows.counters[:] = 0, 4
    node.windows.prepare(board.rows.copy())  # not what `snapshot` returns
    board.rows.counters[:] = 5
    assert (_next_obs(running, node)[1].counters == 5).all()
    node.receive(running.t, b"", encode(m.Ping(77, node.epoch, running.t, node.window)))
    node.windows.prepare(board.rows)
    assert not node.windows.preparable
    board.rows.counters[:] = 6
    node.receive(running.t, b"", encode(m.Start(77, node.epoch, 1000, node.window + 3, SECOND)))
    obs, rows, _ = _next_obs(running, node)
    assert (rows.counters == 6).all() and obs.windows == 0
