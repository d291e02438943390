from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octogym.fed.aggregate import GlobalModel, Member, aggregate
from octogym.fed.errors import FedError
from octogym.fed.rounds import RoundServer
from octogym.fed.update import REASONS, Upload
from tests.fed.toy import SECOND, same, toy_parameters, toy_spec, toy_upload


def server(n=4, **settings):
    return RoundServer([toy_spec(name) for name in "abcdefgh"[:n]], **settings)


def test_a_round_closes_when_all_have_answered_and_replies_with_the_new_model():
    s = server(2)
    assert s.open(["a", "b"], 10) == 1
    assert s.receive(toy_upload("a", seed=1), 11) is None
    assert s.due(12) is None
    assert s.receive(toy_upload("b", seed=2), 13) is None
    closed = s.due(13)
    assert (closed.ended, closed.changed, closed.participants, closed.silent) == ("all", True, ("a", "b"), ())
    assert (closed.opened_ns, closed.closed_ns) == (10, 13)
    mean = (toy_parameters((2, 8, 2), 1)["value.w"] + toy_parameters((2, 8, 2), 2)["value.w"].astype(float)) / 2
    for name in "ab":
        reply = closed.replies[name]
        assert reply.client == name and reply.round == 1
        assert (reply.parameters["value.w"] == mean.astype(np.float32)).all()
        assert set(reply.parameters) == set(toy_parameters((2, 8, 2), 0))
    assert s.due(14) is None and s.deadline_ns is None


def test_after_the_quorum_the_rest_have_as_many_seconds_as_clients_were_asked():
    s = server(4)
    s.open("abcd", 0)
    s.receive(toy_upload("a"), 1 * SECOND)
    assert s.deadline_ns == 20 * SECOND
    s.receive(toy_upload("b"), 2 * SECOND)
    assert s.deadline_ns == 6 * SECOND
    assert s.due(6 * SECOND - 1) is None
    closed = s.due(6 * SECOND)
    assert (closed.ended, closed.participants, closed.silent) == ("quorum", ("a", "b"), ("c", "d"))
    assert closed.changed and set(closed.replies) == {"a", "b"}


def test_the_timer_ends_a_round_even_within_the_grace_of_the_quorum():
    s = server(4, timer_ns=5 * SECOND)
    s.open("abcd", 0)
    s.receive(toy_upload("a"), 0)
    s.receive(toy_upload("b"), 4 * SECOND)
    assert s.due(5 * SECOND - 1) is None
    assert s.due(5 * SECOND).ended == "timer"


def test_a_round_with_a_silent_client_ends_by_its_timeout_with_the_rest():
    s = server(3)
    s.open("abc", 0)
    s.receive(toy_upload("a", seed=1), 0)
    s.receive(toy_upload("c", seed=2), 0)
    closed = s.due(3 * SECOND)
    assert closed.changed and closed.silent == ("b",)
    assert same(s.model.parameters(toy_spec("a").shapes), closed.replies["a"].parameters)


def test_a_round_with_too_few_ends_without_changing_the_model():
    s = server(4)
    s.open("abcd", 0)
    for name in "abcd":
        s.receive(toy_upload(name, seed=1), 0)
    s.due(0)
    before = s.model
    s.open("abcd", SECOND)
    s.receive(toy_upload("a", number=2, seed=2), SECOND)
    closed = s.due(21 * SECOND)
    assert (closed.ended, closed.changed, closed.participants) == ("timer", False, ("a",))
    assert s.model is before and closed.replies["a"].parameters == {}


def test_nobody_answers():
    s = server(1)
    s.open("a", 0)
    assert s.due(20 * SECOND - 1) is None
    closed = s.due(20 * SECOND)
    assert not closed.changed and closed.replies == {} and closed.loss == 0 and s.model.groups == {}


BAD = {
    "unknown": toy_upload("x"),
    "not-selected": toy_upload("d"),
    "old-round": toy_upload("b", number=0),
    "future-round": toy_upload("b", number=2),
    "twice": toy_upload("a", seed=9),
    "sizes": toy_upload("b", device="other"),
    "names": toy_upload("b", extra=np.zeros(1, np.float32)),
    "shapes": toy_upload("b", **{"value.w": np.zeros((5, 1), np.float32)}),
    "not-finite": toy_upload("b", **{"value.w": np.full((4, 1), np.nan, np.float32)}),
    "loss": toy_upload("b", loss=float("inf")),
}


@pytest.mark.parametrize("reason", REASONS)
def test_a_bad_upload_is_refused_counted_and_changes_nothing(reason):
    clean, s = server(), server()
    for one in (clean, s):
        one.open("abc", 0)
        assert one.receive(toy_upload("a", seed=1), 0) is None
    assert s.receive(BAD[reason], 0) == reason
    assert s.refused == {reason: 1}
    for one in (clean, s):
        for name in "bc":
            assert one.receive(toy_upload(name, seed=2), 0) is None
    expected, closed = clean.due(0), s.due(0)
    assert same(clean.model.named(), s.model.named())
    assert closed.participants == expected.participants and closed.shares == expected.shares
    assert closed.refused == {reason: 1} and expected.refused == {}


@pytest.mark.parametrize(
    "upload",
    [
        toy_upload("b", **{"value.w": np.zeros((4, 1))}),
        toy_upload("b", **{"value.w": [0.0]}),
        toy_upload("b", **{"value.w": np.full((4, 1), np.inf, np.float32)}),
        toy_upload("b", sizes=(1, 8, 2)),
        toy_upload("b", loss=float("nan")),
        toy_upload("b", loss=None),
        toy_upload("b", number=-1),
        Upload("b", "d", 1, (2, 8, 2), 0.0, {}),
    ],
)
def test_other_damage_is_refused_too(upload):
    s = server()
    s.open("abc", 0)
    assert s.receive(upload, 0) in REASONS
    assert s.uploads == {} and sum(s.refused.values()) == 1


def test_what_comes_after_the_round_has_closed_is_of_an_old_round():
    s = server(2)
    assert s.receive(toy_upload("a", number=0), 0) == "old-round"
    s.open("ab", 0)
    s.receive(toy_upload("a"), 0)
    s.due(2 * SECOND)
    assert s.receive(toy_upload("b"), 3 * SECOND) == "old-round"
    s.open("ab", 4 * SECOND)
    assert s.receive(toy_upload("b"), 5 * SECOND) == "old-round"
    assert s.refused == {"old-round": 3}


def test_a_refused_client_may_answer_again():
    s = server(1)
    s.open("a", 0)
    assert s.receive(toy_upload("a", loss=float("nan")), 0) == "loss"
    assert s.receive(toy_upload("a"), 1) is None
    assert s.due(1).changed


def test_order_of_arrival_changes_nothing():
    results = []
    for order in ("abcd", "dcba", "cadb"):
        s = server()
        s.open("abcd", 0)
        for name in order:
            s.receive(toy_upload(name, seed=ord(name), loss=ord(name) - 98.5), 0)
        s.due(0)
        results.append(s.model.named())
    assert same(results[0], results[1]) and same(results[0], results[2])


UPLOADS = [toy_upload(name, seed=ord(name), loss=ord(name) - 97.5) for name in "abcd"] + list(BAD.values())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4 * SECOND), st.sampled_from(UPLOADS)), max_size=20))
def test_whatever_comes_the_round_ends_in_time_with_those_who_answered_well(arrivals):
    s, now, closed, accepted = server(), 0, None, {}
    s.open("abc", 0)
    for wait, upload in arrivals:
        now += wait
        deadline = s.deadline_ns
        if closed is None and deadline <= now:
            closed = s.due(deadline)
        problem = s.receive(upload, now)
        if problem is None:
            assert closed is None and upload.client not in accepted
            accepted[upload.client] = upload
        if closed is None:
            closed = s.due(now)
    if closed is None:
        closed = s.due(s.deadline_ns)
    assert closed.closed_ns <= 20 * SECOND and closed.participants == tuple(sorted(accepted))
    assert closed.changed == bool(accepted) == (set(closed.replies) == set(accepted) and len(accepted) > 0)
    members = [Member.client(name, upload.loss, upload.parameters) for name, upload in accepted.items()]
    assert same(s.model.named(), aggregate(GlobalModel(), members).model.named())


def test_wrong_calls_are_errors():
    s = server(2)
    with pytest.raises(FedError, match="at least one client"):
        s.open([], 0)
    with pytest.raises(FedError, match="no client 'x'"):
        s.open(["a", "x"], 0)
    s.open("a", 0)
    with pytest.raises(FedError, match="round 1 is still open"):
        s.open("b", 0)
    with pytest.raises(FedError, match="two clients are called 'a'"):
        RoundServer([toy_spec("a"), toy_spec("a")])
    other = toy_spec("b")
    narrow = type(other)("b", "d", other.sizes, {**other.shapes, "backbone.w1": (3, 3)})
    with pytest.raises(FedError, match="client 'b': its backbone"):
        RoundServer([toy_spec("a"), narrow])
