"""Runs on CPython 3.8 as well: what a device runs."""

from __future__ import annotations

import numpy as np
import pytest

from octogym.fed.client import LOCAL, WAITING, ClientConfig
from octogym.fed.errors import FedError
from octogym.fed.update import Reply
from octogym.fed.wire import decode_reply, decode_upload, encode_reply, encode_upload
from tests.fed.toy import SECOND, same, toy_client, toy_parameters


def ready(**config):
    client = toy_client(**config)
    for i in range(client.config.fl_every):
        client.updated(0.5, i)
    return client


def reply(client, seed=7, number=3, name="a", completed=1, **changed):
    return Reply(name, number, completed, {**toy_parameters(client.stack.sizes, seed), **changed})


@pytest.mark.parametrize("fl_every", [1, 2, 5])
def test_updates_are_counted_exactly(fl_every):
    client = toy_client(fl_every=fl_every)
    for i in range(fl_every):
        assert not client.due
        assert client.uploads_next == (i == fl_every - 1)
        client.updated(0.1, i)
    assert client.due
    client.upload(1, 10)
    client.receive(reply(client, number=1), 11)
    for i in range(fl_every):
        assert not client.due
        client.updated(0.1, 20 + i)
    assert client.due


def test_an_upload_holds_a_copy_of_the_parameters_and_the_last_loss():
    client = ready()
    client.updated(-0.25, 5)
    upload = client.upload(3, 6)
    assert (upload.client, upload.device, upload.round, upload.sizes, upload.loss) == ("a", "d", 3, (2, 8, 2), -0.25)
    assert same(upload.parameters, client.stack.get(0)) and client.state == WAITING
    client.stack.agents[0]["value.w"][:] = 0
    assert not same(upload.parameters, client.stack.get(0))


def test_a_client_that_no_round_wants_counts_anew():
    client = ready()
    client.pass_by()
    assert not client.due and client.state == LOCAL
    client.updated(0, 1)
    client.updated(0, 2)
    assert client.due


def test_a_client_that_waits_cannot_be_passed_by():
    client = ready()
    client.upload(3, 0)
    client.pass_by()
    assert client.state == WAITING and client.updates == 2


def test_while_waiting_updates_do_not_count_and_experiences_are_discarded():
    client = ready()
    client.upload(3, 0)
    client.updated(9.0, SECOND)
    assert client.updates == 2 and client.loss == 0.5 and not client.due
    client.receive(reply(client), 2 * SECOND)
    assert client.updates == 0 and ("clear", (0,)) in client.stack.calls


def test_a_reply_sets_all_parameters_fine_tunes_heads_only_and_lengthens_the_episode():
    client = ready(steps=100, steps_growth=10, steps_max=115)
    client.upload(3, 0)
    assert client.receive(reply(client), 4 * SECOND)
    assert client.stack.calls == [("set", 0), ("fine_tune", (0,)), ("clear", (0,))]
    sent, found = toy_parameters((2, 8, 2), 7), client.stack.get(0)
    for name in sent:
        moved = 0 if name.startswith(("backbone", "value")) else np.float32(1 / 1024)
        assert (found[name] == sent[name] + moved).all()
    assert client.state == LOCAL and client.steps == 110
    for number in (4, 5):
        client.upload(number, 0)
        client.receive(reply(client, number=number, completed=number), 0)
        assert client.steps == 115


def test_without_a_reply_it_goes_back_to_local_learning_with_its_weights_kept():
    client = ready(timeout_ns=30 * SECOND)
    before = client.stack.get(0)
    client.upload(3, SECOND)
    client.tick(31 * SECOND - 1)
    assert client.state == WAITING
    client.tick(31 * SECOND)
    assert client.state == LOCAL and client.timeouts == 1 and client.updates == 0 and client.steps == 100
    assert same(client.stack.get(0), before)
    assert not client.receive(reply(client), 32 * SECOND)
    assert client.ignored == {"late": 1} and same(client.stack.get(0), before)


def test_a_reply_that_is_due_at_the_timeout_is_late():
    client = ready(timeout_ns=30 * SECOND)
    client.upload(3, 0)
    assert not client.receive(reply(client), 30 * SECOND)
    assert client.timeouts == 1 and client.ignored == {"late": 1}


def test_a_round_without_a_new_model_ends_the_wait_and_changes_nothing():
    client = ready()
    before = client.stack.get(0)
    client.upload(3, 0)
    assert not client.receive(Reply("a", 3, 4), 1)
    assert client.state == LOCAL and client.steps == 100 and same(client.stack.get(0), before)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("late", {"number": 2}),
        ("late", {"name": "b"}),
        ("damaged", {"value.w": np.zeros((9, 1), np.float32)}),
        ("damaged", {"value.w": np.full((4, 1), np.nan, np.float32)}),
        ("damaged", {"more": np.zeros(1, np.float32)}),
    ],
)
def test_a_wrong_reply_is_ignored_counted_and_the_wait_goes_on(kind, changes):
    client = ready()
    before = client.stack.get(0)
    client.upload(3, 0)
    assert not client.receive(reply(client, **changes), 1)
    assert client.ignored == {kind: 1} and client.state == WAITING and same(client.stack.get(0), before)
    assert client.receive(reply(client), 2)


def test_a_client_speaks_through_bytes():
    client = ready()
    upload = decode_upload(encode_upload(client.upload(3, 0)))
    assert same(upload.parameters, client.stack.get(0))
    assert client.receive(decode_reply(encode_reply(reply(client))), 1)


def test_state_comes_back():
    client, other = ready(), toy_client()
    client.upload(3, 5)
    client.receive(reply(client, number=9), 6)
    other.load(client.state_dict())
    assert other.state_dict() == client.state_dict() and other.state == WAITING


def test_it_says_when_it_will_be_due():
    client = toy_client(fl_every=2, steps=100)
    assert client.expected_ns(0, SECOND) == 200 * SECOND
    client.updated(0, 103 * SECOND)
    assert client.expected_ns(150 * SECOND, SECOND) == 203 * SECOND
    assert client.expected_ns(204 * SECOND, SECOND) == 303 * SECOND


@pytest.mark.parametrize(
    "config", [{"fl_every": 0}, {"steps": 0}, {"steps_growth": -1}, {"timeout_ns": 0}, {"steps": 9, "steps_max": 8}]
)
def test_a_configuration_out_of_range_is_refused(config):
    with pytest.raises(FedError, match=r"expected"):
        ClientConfig(**config)
