"""The BCEdge policy."""

from __future__ import annotations

import numpy as np
import pytest

from octogym.agents.bcedge import network
from octogym.agents.bcedge.policy import BCEdgePolicy, replica_slots
from octogym.agents.errors import PolicyError
from octogym.cluster.registry import load_scenario, make_backend
from octogym.cluster.runner import Runner
from octogym.cluster.tensor_file import TensorFileError, write_tensors
from octogym.testing.policy import check_policy
from tests.cluster.small_scenario import VALID, write

TYPES = ["orin-nano", "rtx3090-server", "xavier-nx"]


def checkpoint(folder, types=TYPES, change=None, models=None, kind="bcedge"):
    """A file of random weights for those device types."""
    arrays = {}
    for k, name in enumerate(types):
        weights = network.initial(np.random.default_rng(k))
        arrays.update({f"{name}/{part}": array for part, array in weights.items()})
    (change or (lambda a: None))(arrays)
    models = [[name, *size] for name, size in network.INPUTS.items()] if models is None else models
    about = {"models": models, "device_types": types}
    return write_tensors(folder / "b.safetensors", arrays, kind, about)


def always(batch: int, concurrency: int):
    """Weights that choose one batch size and one concurrency."""

    def change(arrays):
        for name, array in arrays.items():
            if name.endswith("batch2.b"):
                array[batch - 1] = 1e3
            if name.endswith("concurrency2.b"):
                array[concurrency - 1] = 1e3

    return change


@pytest.mark.parametrize("options", ["", ",argmax", ",argmax,fixed-replicas"])
def test_it_is_a_policy(scenario, tmp_path, options):
    file = checkpoint(tmp_path)
    check_policy(lambda: BCEdgePolicy(f"{file}{options}"), scenario)


def test_it_sets_a_batch_within_each_models_largest_and_waits_for_it_to_fill(scenario, tmp_path):
    limit = np.array([i.max_batch for i in scenario.cluster.instances])
    policy = BCEdgePolicy(str(checkpoint(tmp_path)))
    seen = []
    for window in Runner(make_backend("sim", scenario, num_envs=3), policy).windows(30, 0):
        d = window.decision
        assert (d.batch >= 1).all() and (d.batch <= limit).all() and (d.timeout_ns == 0).all()
        assert (d.pack == -1).all() and (d.pre == -1).all() and (d.active == -1).all()
        seen.append(d.batch.copy())
    # It samples: the largest, into which all above it fall, most often on the boards; all sizes on the server.
    assert len(np.unique(np.array(seen)[..., 4])) > 30 and (np.array(seen)[..., 0] == 8).mean() > 0.7
    assert policy.ignored == [i.id for i in scenario.cluster.instances]


def test_argmax_takes_the_likeliest(scenario, tmp_path):
    policy = BCEdgePolicy(f"{checkpoint(tmp_path, change=always(5, 1))},argmax")
    for window in Runner(make_backend("sim", scenario), policy).windows(3, 0):
        assert (window.decision.batch == 5).all()


def test_devices_of_one_type_share_weights_and_types_do_not(scenario, tmp_path):
    def change(arrays):
        always(3, 1)({n: a for n, a in arrays.items() if n.startswith("xavier-nx/")})
        always(6, 1)({n: a for n, a in arrays.items() if n.startswith("orin-nano/")})

    policy = BCEdgePolicy(f"{checkpoint(tmp_path, change=change)},argmax")
    (window,) = Runner(make_backend("sim", scenario), policy).windows(1, 0)
    assert window.decision.batch[0, :4].tolist() == [3, 3, 6, 6]


@pytest.fixture
def replicated(tmp_path):
    """Two interchangeable replicas of one stage on the hub, besides each board's own."""
    text = VALID.replace("hub/gate.plate*", "hub/gate.plate#1").replace('"{device}/gate.plate", ', "")
    text = text.replace('to = ["hub/gate.plate#1"]', 'to = ["hub/gate.plate", "hub/gate.plate#1"]')
    text = text.replace('stages = ["gate.detector", "gate.plate"]', 'stages = "gate.detector"')
    return load_scenario(write(tmp_path, text))


def trained_on_gate(folder, change):
    models = [["detector", 3, 640, 640], ["plate", 3, 224, 224], ["read", 1, 64, 64]]
    return checkpoint(folder, ["board", "box"], change, models)


@pytest.mark.parametrize(("concurrency", "second"), [(1, 0), (2, 1)])
def test_concurrency_is_one_or_two_replicas_where_they_are_interchangeable(replicated, tmp_path, concurrency, second):
    cluster = replicated.cluster
    pair = [cluster.index["hub/gate.plate"], cluster.index["hub/gate.plate#1"]]
    assert [slot.tolist() for slot in replica_slots(cluster)] == [pair]
    file = trained_on_gate(tmp_path, always(4, concurrency))
    policy = BCEdgePolicy(str(file))
    for window in Runner(make_backend("sim", replicated), policy).windows(20, 0):
        assert window.decision.active[0, pair].tolist() == [1, second]
        assert (np.delete(window.decision.active[0], pair) == -1).all()
    assert (window.telemetry.total_arrived[0, pair] > 0).tolist() == [True, bool(second)]
    assert sorted(policy.ignored) == sorted({i.id for i in cluster.instances} - {cluster.instances[s].id for s in pair})
    fixed = BCEdgePolicy(f"{file},fixed-replicas")
    (window,) = Runner(make_backend("sim", replicated), fixed).windows(1, 0)
    assert (window.decision.active == -1).all() and len(fixed.ignored) == cluster.S


def test_replicas_that_serve_different_devices_are_left_alone():
    assert replica_slots(load_scenario("fcpo-testbed", traces="synthetic").cluster) == []


def test_a_device_type_or_model_that_it_was_not_trained_for_is_refused(scenario, tmp_path):
    with pytest.raises(PolicyError, match=r"not trained for xavier-nx \(cam-1/traffic.yolov5n\); it knows orin-nano"):
        BCEdgePolicy(str(checkpoint(tmp_path, TYPES[:2]))).reset(scenario.cluster, 1, 0)
    models = [["yolov5n", 3, 640, 640]]
    with pytest.raises(PolicyError, match=r"not trained for platedet \(cam-1/traffic.platedet\); it knows yolov5n"):
        BCEdgePolicy(str(checkpoint(tmp_path, models=models))).reset(scenario.cluster, 1, 0)


def test_a_checkpoint_is_needed_and_must_be_one(tmp_path):
    with pytest.raises(PolicyError, match=r"bcedge:FILE\[,argmax\]\[,fixed-replicas\]"):
        BCEdgePolicy()
    with pytest.raises(TensorFileError, match="holds 'ppo'; expected 'bcedge'"):
        BCEdgePolicy(str(checkpoint(tmp_path, kind="ppo")))
    with pytest.raises(TensorFileError, match=r"lacks xavier-nx/batch2.b"):
        BCEdgePolicy(str(checkpoint(tmp_path, change=lambda a: a.pop("xavier-nx/batch2.b"))))


@pytest.mark.parametrize("models", [[], "x", [["yolov5n", 3, 640]], [["yolov5n", 3, 0, 640]]])
def test_a_checkpoint_that_does_not_say_for_what_it_is_refused(tmp_path, models):
    with pytest.raises(TensorFileError, match="expected"):
        BCEdgePolicy(str(checkpoint(tmp_path, models=models)))


def test_its_weights_go_out_and_in(tmp_path):
    one, other = BCEdgePolicy(str(checkpoint(tmp_path))), BCEdgePolicy(str(checkpoint(tmp_path)))
    changed = {name: array + 1 for name, array in one.state_dict().items()}
    other.load(changed)
    assert all(np.array_equal(other.state_dict()[name], array) for name, array in changed.items())
    with pytest.raises(TensorFileError, match="lacks"):
        other.load({})
