"""What MAPPO learned about offloading, as a policy."""

from __future__ import annotations

import numpy as np
import pytest

from octogym.agents.errors import PolicyError
from octogym.agents.ppo import offload_network as network
from octogym.agents.ppo.offload_policy import MappoOffloadPolicy
from octogym.agents.static import StaticPolicy
from octogym.cluster.offloading.layout import OffloadLayout
from octogym.cluster.registry import make_backend
from octogym.cluster.runner import PolicyConflict, Runner
from octogym.cluster.settings import KEEP_SHARE
from octogym.cluster.tensor_file import TensorFileError, write_tensors
from octogym.testing.policy import check_policy
from tests.envs.offload.small import small


@pytest.fixture(scope="module")
def calm(tmp_path_factory):
    return small(tmp_path_factory.mktemp("calm"))


@pytest.fixture(scope="module")
def churning(tmp_path_factory):
    return small(tmp_path_factory.mktemp("churning"), churn=True)


def checkpoint(folder, change=None, kind="mappo-offload", **about):
    """A file of random weights that make quite different shares."""
    arrays = network.initial(32, np.random.default_rng(5))
    arrays["score"] *= 100
    (change or (lambda a: None))(arrays)
    return write_tensors(folder / "x.safetensors", arrays, kind, {"history": 32, "top_k": 4, **about})


def play(scenario, policies, count=40, num_envs=1, seed=0):
    return Runner(make_backend("sim", scenario, num_envs=num_envs), policies).windows(count, seed)


@pytest.mark.parametrize("kind", ["calm", "churning"])
@pytest.mark.parametrize("words", ["", ",shares"])
def test_it_is_a_policy(kind, words, tmp_path, request):
    file = checkpoint(tmp_path)
    check_policy(lambda: MappoOffloadPolicy(f"{file}{words}"), request.getfixturevalue(kind), steps=35)


def test_it_decides_every_15_s_and_states_what_holds_in_every_second(calm, tmp_path):
    policy = MappoOffloadPolicy(str(checkpoint(tmp_path)))
    shares = [window.decision.share_milli[0].copy() for window in play(calm, policy)]
    changes = [t for t in range(1, 40) if not np.array_equal(shares[t], shares[t - 1])]
    assert changes == [15, 30]
    assert all((row != KEEP_SHARE).all() for row in shares)


def test_the_part_of_a_lost_device_goes_elsewhere_within_a_second(churning, tmp_path):
    policy, cluster = MappoOffloadPolicy(str(checkpoint(tmp_path))), churning.cluster
    at = [cluster.devices[i.device].id for i in cluster.instances]
    inner = [(r, route) for r, route in enumerate(cluster.routes) if route.source < cluster.S]
    to_b = [r for r, route in inner if at[route.target] == "b" != at[route.source]]
    present, sent = [True], []
    for window in play(churning, policy):
        sent.append(int(window.decision.share_milli[0, to_b].astype(int).sum()))
        present.append(bool(window.telemetry.present[0, 1]))
    assert any(share > 0 for share in sent) and not all(present)
    assert all(share == 0 for share, there in zip(sent, present, strict=False) if not there)


def test_it_states_the_scenarios_settings_or_leaves_them_to_another(calm, tmp_path):
    file = checkpoint(tmp_path)
    window = next(play(calm, MappoOffloadPolicy(str(file))))
    assert window.decision.batch[0].tolist() == [i.initial.batch for i in calm.cluster.instances]
    assert (window.decision.timeout_ns[0] == [i.initial.timeout_ns for i in calm.cluster.instances]).all()
    both = [MappoOffloadPolicy(f"{file},shares"), StaticPolicy("batch=2")]
    for window in play(calm, both, 20):
        assert (window.decision.batch == 2).all() and (window.decision.share_milli != KEEP_SHARE).all()
    with pytest.raises(PolicyConflict, match="both set pack"):
        next(play(calm, [MappoOffloadPolicy(str(file)), StaticPolicy("batch=2")]))


def test_the_same_weights_run_on_a_cluster_with_more_agents_and_targets(calm, tmp_path):
    file = str(checkpoint(tmp_path))
    for scenario in (calm, "scale-16"):
        backend = make_backend("sim", scenario)
        try:
            OffloadLayout(backend.cluster)
        except ValueError:
            continue
        assert len(list(Runner(backend, MappoOffloadPolicy(file)).windows(3))) == 3


def test_shares_are_the_softmax_over_the_targets_that_are_there():
    generator = np.random.default_rng(1)
    p = network.initial(4, generator)
    p["score"] *= 100
    kinds = np.array([0, 1, 1, 2])
    observation = generator.random((5, 3, 4 + 3 + 8 * 4)).astype(np.float32)
    observation[..., 7::8] = generator.random((5, 3, 4)) < 0.6
    own, target, there = network.inputs(observation, 4)
    assert (there.any(-1)).all() and np.array_equal(there[..., 1:], observation[..., 15::8] > 0)
    shares = (network.actions(network.scores(p, own, target, there, kinds)) + 1) / 2
    assert np.allclose(shares.sum(-1), 1, atol=1e-6) and ((shares > 0) <= there).all()
    # Neighbours that change places change shares; what a target that is not there shows changes nothing.
    swapped = [0, 2, 1, 3]
    other = (network.actions(network.scores(p, own, target[..., swapped, :], there[..., swapped], kinds)) + 1) / 2
    assert np.allclose(other[..., swapped], shares, atol=1e-5)
    target = np.where(there[..., None], target, np.float32(5))
    assert np.allclose((network.actions(network.scores(p, own, target, there, kinds)) + 1) / 2, shares, atol=1e-6)


def test_its_weights_go_out_and_in(tmp_path):
    one, other = (MappoOffloadPolicy(str(checkpoint(tmp_path))) for _ in range(2))
    changed = {name: array + 1 for name, array in one.state_dict().items()}
    other.load(changed)
    assert all(np.array_equal(other.state_dict()[name], array) for name, array in changed.items())
    with pytest.raises(TensorFileError, match="lacks score"):
        other.load({name: array for name, array in changed.items() if name != "score"})


def test_a_checkpoint_is_needed_and_must_be_one(tmp_path):
    with pytest.raises(PolicyError, match=r"mappo-offload:FILE\[,shares\]; octogym train mappo-offload leaves one"):
        MappoOffloadPolicy(None)
    with pytest.raises(TensorFileError, match="cannot be read"):
        MappoOffloadPolicy(str(tmp_path / "nothing"))
    with pytest.raises(TensorFileError, match="holds 'ppo'; expected 'mappo-offload'"):
        MappoOffloadPolicy(str(checkpoint(tmp_path, kind="ppo")))
    with pytest.raises(TensorFileError, match=r"self has shape"):
        MappoOffloadPolicy(str(checkpoint(tmp_path, history=31)))
    with pytest.raises(TensorFileError, match="b2 holds values that are not finite"):
        MappoOffloadPolicy(str(checkpoint(tmp_path, change=lambda a: a["b2"].fill(np.nan))))


@pytest.mark.parametrize(("name", "value"), [("history", 0), ("history", "32"), ("top_k", -1), ("top_k", True)])
def test_a_checkpoint_that_does_not_say_what_actors_see_is_refused(name, value, tmp_path):
    with pytest.raises(TensorFileError, match=f"{name} = .*; expected a whole number"):
        MappoOffloadPolicy(str(checkpoint(tmp_path, **{name: value})))
