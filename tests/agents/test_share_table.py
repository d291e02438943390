"""Fixed shares by name."""

from __future__ import annotations

import json

import numpy as np
import pytest

from octogym.agents.errors import PolicyError
from octogym.agents.share_table import fixed_shares, read_shares
from octogym.agents.sharing import Sharing
from octogym.agents.static import StaticPolicy
from octogym.cluster.registry import load_scenario
from octogym.cluster.settings import KEEP_SHARE

from .conftest import play

SOURCE = "node01/campus.yolov5n"
OWN, OTHER, SERVER = (f"{device}/campus.retina1face" for device in ("node01", "node02", "server"))


@pytest.fixture(scope="module")
def campus():
    return load_scenario("campus-8", traces="synthetic", split="test")


def write(folder, shares):
    file = folder / "held.json"
    file.write_text(json.dumps({"settings": {"*": {"batch": 2}}, "shares": shares}))
    return file


def test_a_source_that_is_stated_has_0_on_its_other_routes_and_the_rest_is_kept(campus, tmp_path):
    cluster = campus.cluster
    shares = fixed_shares(read_shares(write(tmp_path, {SOURCE: {OWN: 250, SERVER: 750}})), cluster)
    for r, route in enumerate(cluster.routes):
        if route.source < cluster.S and cluster.instances[route.source].id == SOURCE:
            assert shares[r] == {OWN: 250, SERVER: 750}.get(cluster.instances[route.target].id, 0)
        else:
            assert shares[r] == KEEP_SHARE


def test_a_table_says_what_the_shares_are(campus):
    sharing = Sharing(campus)
    shares = sharing.balanced(np.linspace(10, 300, 8), 0.8)
    assert np.array_equal(fixed_shares(sharing.table(shares), campus.cluster), shares)


def test_the_static_policy_holds_them_throughout(campus, tmp_path):
    file = write(tmp_path, {SOURCE: {OTHER: 1000}})
    (episode,) = play(campus, StaticPolicy(str(file)), 40)
    arrived = dict(zip((i.id for i in campus.cluster.instances), episode.instances["arrived"].T, strict=True))
    # longer than shares stay valid if nobody repeats them
    assert campus.cluster.share_validity < 40
    assert arrived[OWN].sum() == 0 and arrived[OTHER][5:].min() > 0


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        ({"node99/campus.yolov5n": {OWN: 1000}}, "no source 'node99/campus.yolov5n' in campus-8; it has node01/"),
        ({SOURCE: {"node01/campus.x": 1000}}, "no route to 'node01/campus.x'; it has node01/campus.retina1face"),
        ({SOURCE: {OWN: 250, SERVER: 700}}, "sum to 950, expected 1000"),
    ],
)
def test_what_the_cluster_does_not_have_is_said(campus, tmp_path, shares, message):
    with pytest.raises(PolicyError, match=message):
        StaticPolicy(str(write(tmp_path, shares))).reset(campus.cluster, 1, 0)


@pytest.mark.parametrize("shares", [[1], {SOURCE: 3}, {SOURCE: {OWN: 1.5}}, {SOURCE: {OWN: -1}}, {SOURCE: {OWN: True}}])
def test_a_file_that_holds_something_else_is_refused(tmp_path, shares):
    with pytest.raises(PolicyError, match=r"held\.json: "):
        StaticPolicy(str(write(tmp_path, shares)))


def test_a_file_without_shares_has_none(tmp_path):
    file = tmp_path / "x.json"
    file.write_text('{"settings": {}}')
    assert read_shares(file) == {}


@pytest.mark.parametrize(
    ("content", "message"), [(None, "cannot be read"), ("{", "no JSON"), ("[1]", "expected .shares")]
)
def test_a_file_that_cannot_be_read_is_said(tmp_path, content, message):
    file = tmp_path / "x.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(PolicyError, match=message):
        read_shares(file)
