from __future__ import annotations

import numpy as np
import pytest

from octogym.fed.errors import FedError
from octogym.fed.hierarchy import Cloud
from octogym.fed.rounds import RoundServer
from tests.fed.toy import same, toy_parameters, toy_spec, toy_upload


def play(server, names, seed, sizes=(2, 8, 2), fill=None):
    """One edge round in which all answer; returns the closed round."""
    number = server.open(names, 0)
    for i, name in enumerate(names):
        changes = {}
        if fill is not None:
            changes = {key: np.full_like(a, fill) for key, a in toy_parameters(sizes, 0).items()}
        server.receive(toy_upload(name, number, seed + i, loss=seed / 7 + i, sizes=sizes, **changes), 0)
    return server.due(0)


def value(model, name="value.w", sizes=(2, 8, 2)):
    return float(model.parameters(toy_spec("a", sizes=sizes).shapes)[name].flat[0])


def test_one_cluster_equals_flat_to_the_bit():
    flat, edge = (RoundServer([toy_spec(name) for name in "abc"]) for _ in range(2))
    cloud = Cloud(["only"], every=3)
    for k in range(1, 11):
        names = ["abc", "ab", "c"][k % 3]
        expected = play(flat, names, 10 * k)
        closed = play(edge, names, 10 * k)
        assert all(same(closed.replies[n].parameters, expected.replies[n].parameters) for n in names)
        cloud.edge_round("only", closed, edge.model)
        if cloud.due:
            edge.model = cloud.exchange()
        assert same(edge.model.named(), flat.model.named()) and edge.model.makers == flat.model.makers
    assert cloud.exchanges == 3


def two(by="equal", **settings):
    servers = {name: RoundServer([toy_spec(name + str(i)) for i in range(3)]) for name in ("x", "y")}
    return servers, Cloud(servers, every=2, by=by, **settings)


def test_clusters_learn_apart_and_meet_at_the_cloud():
    servers, cloud = two()
    for _ in range(2):
        cloud.edge_round("x", play(servers["x"], ["x0", "x1"], 1, fill=1.0), servers["x"].model)
        assert not cloud.due
    for k in range(2):
        cloud.edge_round("y", play(servers["y"], ["y0"], 1, fill=3.0), servers["y"].model)
        assert cloud.due == (k == 1)
    model = cloud.exchange()
    assert value(model) == 2 and 2 < value(model, "batch.w") < 3  # y's loss is the smaller
    assert not cloud.due
    with pytest.raises(FedError, match="no cluster has completed"):
        cloud.exchange()


def test_clusters_may_weigh_by_their_participants():
    servers, cloud = two("participants", weighting="equal")
    for _ in range(2):
        cloud.edge_round("x", play(servers["x"], ["x0", "x1", "x2"], 1, fill=0.0), servers["x"].model)
        cloud.edge_round("y", play(servers["y"], ["y0"], 1, fill=4.0), servers["y"].model)
    model = cloud.exchange()
    assert value(model) == 1 and value(model, "batch.w") == 1


def test_a_silent_cluster_holds_up_nobody_and_gets_the_result():
    servers, cloud = two()
    for k in range(4):
        assert not cloud.due
        cloud.edge_round("x", play(servers["x"], ["x0", "x1"], k, fill=2.0), servers["x"].model)
    assert cloud.due and value(cloud.exchange()) == 2


def test_a_cluster_has_no_voice_in_what_its_rounds_have_not_changed():
    kinds = {"x": (2, 8, 2), "y": (2, 16, 2)}
    servers = {name: RoundServer([toy_spec(name, sizes=sizes)]) for name, sizes in kinds.items()}
    cloud = Cloud(servers, every=1)
    for fill in (1.0, 5.0):
        for name, server in servers.items():
            cloud.edge_round(name, play(server, [name], 0, kinds[name], fill=fill), server.model)
        model = cloud.exchange()
        for server in servers.values():
            server.model = model
    # The batch heads differ in shape: the second round's 5 meets the first exchange's 1 in its own cluster only.
    assert value(model, "batch.w", kinds["x"]) == value(model, "batch.w", kinds["y"]) == 5
    assert value(model) == 3  # at each edge: (5 + the model's 1) / 2


def test_a_round_that_changed_nothing_does_not_count():
    servers, cloud = two()
    servers["x"].open(["x0", "x1"], 0)
    closed = servers["x"].due(10**12)
    for _ in range(5):
        cloud.edge_round("x", closed, servers["x"].model)
    assert not cloud.due


def test_state_comes_back():
    servers, cloud = two()
    for _ in range(2):
        for name, server in servers.items():
            cloud.edge_round(name, play(server, [name + "0"], 3), server.model)
    other = Cloud(servers, every=2)
    other.load(cloud.state_dict(), cloud.model, {name: server.model for name, server in servers.items()})
    assert other.due and same(other.exchange().named(), cloud.exchange().named())


@pytest.mark.parametrize("settings", [{"clusters": []}, {"every": 0}, {"by": "size"}])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(FedError, match="expected"):
        Cloud(**{"clusters": ["x"], **settings})
