from __future__ import annotations

import sys

import numpy as np
import pytest

from octogym.cluster.errors import MissingExtra
from octogym.fed.rounds import RoundServer
from octogym.fed.update import Upload
from tests.fed.toy import same, toy_parameters, toy_spec

KINDS = {"a": (2, 8, 2), "b": (2, 8, 2), "c": (1, 16, 2)}


def specs():
    return [toy_spec(name, sizes=sizes) for name, sizes in KINDS.items()]


def test_without_flower_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "flwr", None)
    monkeypatch.setitem(sys.modules, "flwr.app", None)
    monkeypatch.delitem(sys.modules, "octogym.fed.flower", raising=False)
    with pytest.raises(MissingExtra, match=r"octogym\[fed\]"):
        __import__("octogym.fed.flower")


def local(name, number):
    """What client `name` has learned in a round."""
    seed = 10 * number + ord(name)
    return toy_parameters(KINDS[name], seed), float(np.sin(seed))


@pytest.fixture
def flower(monkeypatch):
    monkeypatch.setenv("FLWR_TELEMETRY_ENABLED", "0")
    pytest.importorskip("flwr", reason="flwr is not installed (extra fed)")
    from octogym.fed import flower

    return flower


def test_rounds_through_flower_equal_ours_to_the_bit(flower):
    from flwr.app import ArrayRecord, Message
    from flwr.serverapp import Grid
    from flwr.supercore.task_identity import TaskIdentity

    # Flower asks for these even where a message is made by hand.
    TaskIdentity.task_id, TaskIdentity.run_id, TaskIdentity.node_id = 1, 1, 0
    received = {}

    class LocalGrid(Grid):
        """Nodes a, b, c (1, 2, 3) within this process; c falls silent in round 2, and b sends NaN in round 3."""

        def set_run(self, run):
            raise NotImplementedError

        @property
        def run(self):
            raise NotImplementedError

        def create_message(self, *args, **settings):
            raise NotImplementedError

        def push_messages(self, messages):
            raise NotImplementedError

        def pull_messages(self, message_ids):
            raise NotImplementedError

        def get_node_ids(self):
            return [3, 1, 2]

        def send_and_receive(self, messages, *, timeout=None):
            replies = []
            for message in messages:
                name = "abc"[message.metadata.dst_node_id - 1]
                number = flower.round_of(message.content)
                received[name, number] = flower.parameters_of(message.content, toy_spec(name, sizes=KINDS[name]).shapes)
                if (name, number) == ("c", 2):
                    continue
                parameters, loss = local(name, number)
                if (name, number) == ("b", 3):
                    parameters["value.w"][0] = np.nan
                message.metadata.__dict__["_message_id"] = f"{name}{number}"
                upload = Upload(name, "d", number, KINDS[name], loss, parameters)
                replies.append(Message(flower.reply_of(upload), reply_to=message))
            return replies

    strategy = flower.FcpoStrategy(specs())
    result = strategy.start(grid=LocalGrid(), initial_arrays=ArrayRecord({}), num_rounds=4)

    ours = RoundServer(specs())
    for number in range(1, 5):
        for name, sizes in KINDS.items():
            assert same(received[name, number], ours.model.parameters(toy_spec(name, sizes=sizes).shapes))
        ours.open("abc", 0)
        for name, sizes in KINDS.items():
            if (name, number) not in (("c", 2), ("b", 3)):
                parameters, loss = local(name, number)
                ours.receive(Upload(name, "d", number, sizes, loss, parameters), 0)
        ours.due(ours.timer_ns)
    assert same(strategy.server.model.named(), ours.model.named())
    assert same({key: array.numpy() for key, array in result.arrays.items()}, ours.model.named())
    assert strategy.server.refused == {"not-finite": 1}
    assert result.train_metrics_clientapp[3] == {"participants": 2, "refused": 1}


def test_an_answer_without_what_is_needed_is_refused_and_too_few_change_nothing(flower):
    from flwr.app import ArrayRecord, ConfigRecord, RecordDict

    strategy = flower.FcpoStrategy(specs())

    class Nobody:
        def get_node_ids(self):
            return []

    class Answer:
        content = RecordDict({"arrays": ArrayRecord({})})

        def has_error(self):
            return False

    assert list(strategy.configure_train(1, ArrayRecord({}), ConfigRecord({}), Nobody())) == []
    arrays, metrics = strategy.aggregate_train(1, [Answer()])
    assert arrays is None and metrics == {"participants": 0, "refused": 1}
    assert strategy.configure_evaluate(1, ArrayRecord({}), ConfigRecord({}), Nobody()) == []
    assert strategy.aggregate_evaluate(1, []) is None
