"""OctoCross in its loop, on the simulator, from a checkpoint."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from octogym.cluster.registry import load_scenario, make_backend, make_policy
from octogym.cluster.runner import Runner
from octogym.cluster.tensor_file import TensorFileError
from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.octocross.config import OctoCrossConfig
from octogym.scheduler.octocross.decider import OctoCrossDecider
from octogym.scheduler.octocross.file import weights, write_octocross
from octogym.scheduler.octocross.ids import DeviceIds
from octogym.scheduler.octocross.model import OctoCrossModel
from octogym.scheduler.octocross.policy import OctoCrossPolicy
from octogym.scheduler.offload.collected import Recent, Site
from octogym.scheduler.offload.devices import Patience, State
from octogym.scheduler.offload.finetune import Request, Tunable
from octogym.scheduler.offload.local import NonePolicy
from octogym.scheduler.offload.loop import LoopSettings
from octogym.scheduler.offload.sample import Sample
from tests.envs.offload.small import small

SMALL = OctoCrossConfig(history=16, horizon=8, width=16, blocks=2, heads=4, positions=16)


def some_ids(*names: str) -> DeviceIds:
    ids = DeviceIds(SMALL.positions)
    ids.add(names)
    return ids


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    ids = some_ids(*(f"node{k:02d}" for k in range(1, 9)), "a", "b", "c")
    return write_octocross(tmp_path_factory.mktemp("model") / "octocross.safetensors", OctoCrossModel(SMALL), ids, {})


@pytest.fixture(scope="module")
def campus():
    return load_scenario("campus-8", traces="synthetic")


@pytest.fixture(scope="module")
def churning(tmp_path_factory: pytest.TempPathFactory):
    return small(tmp_path_factory.mktemp("churning"), churn=True)


def run(scenario, policy, windows=60, seed=0, num_envs=1):
    backend = make_backend("sim", scenario, num_envs=num_envs)
    sent = []
    for window in Runner(backend, policy).windows(windows, seed):
        sent.append(window.decision.share_milli.copy())
        telemetry = window.telemetry.copy()
    backend.close()
    return np.stack(sent), telemetry


def on_time(telemetry) -> float:
    return float(telemetry.total_on_time_results.sum() / telemetry.total_generated.sum())


def a_sample(nodes: int = 5, seed: int = 0, gone: int | None = None) -> Sample:
    rng = np.random.default_rng(seed)
    servers, valid = np.arange(nodes) == nodes - 1, np.ones(nodes, bool)
    history = rng.uniform(2, 18, (nodes, 32)) * ~servers[:, None]
    if gone is not None:
        valid[gone] = False
    both = valid[:, None] & valid & ~np.eye(nodes, dtype=bool)
    ways = both & ~servers[:, None]
    views = rng.random((3, nodes, nodes)) * both
    ones = np.ones(nodes)
    return Sample(
        names=(*(f"node{k:02d}" for k in range(1, nodes)), "server"),
        agents=nodes - 1,
        t_s=50.0,
        history=history,
        seen=32,
        processed=history[:, -1],
        capacity=10 * ones,
        views=views,
        valid=valid,
        servers=servers,
        routes=ways,
        edges=ways,
        queue=0 * ones,
        up_bps=5e7 * ones,
        down_bps=1e9 * ones,
        crop_bytes=6000 * ones,
        latency_s=0.005,
        fps=15.0,
    )


def a_decider() -> OctoCrossDecider:
    model = OctoCrossModel(SMALL)
    return OctoCrossDecider(SMALL, weights(model), some_ids("node01", "node02", "node03", "node04"))


def test_shares_are_a_table_over_the_edges():
    sample = a_sample()
    matrix = a_decider().decide(sample, 0)
    assert matrix.sum(1) == pytest.approx(np.ones(5)) and (matrix >= 0).all()
    assert (matrix[~(sample.edges | np.eye(5, dtype=bool))] == 0).all()
    assert (matrix.diagonal() < 1).any()


def test_a_node_that_is_gone_changes_nothing():
    here, decider = a_sample(gone=2), a_decider()
    history = here.history.copy()
    history[2] = 99.0
    other = Sample(**{**vars(here), "history": history})
    matrix = decider.decide(here, 0)
    assert (matrix == decider.decide(other, 0)).all()
    assert (matrix[2] == np.eye(5)[2]).all() and (matrix[np.arange(5) != 2, 2] == 0).all()


def test_environments_may_come_to_differ():
    decider, sample = a_decider(), a_sample()
    assert isinstance(decider, Tunable)
    before = decider.decide(sample, 0)
    other = weights(OctoCrossModel(SMALL, seed=9))
    decider.adopt(1, (other, decider.ids))
    assert (decider.decide(sample, 0) == before).all() and (decider.decide(sample, 1) != before).any()
    decider.forget(1)
    assert (decider.decide(sample, 1) == before).all()


def test_weights_come_and_go():
    decider, sample = a_decider(), a_sample()
    before, state = decider.decide(sample, 0), decider.state_dict()
    decider.load(weights(OctoCrossModel(SMALL, seed=9)))
    assert (decider.decide(sample, 0) != before).any()
    decider.load(state)
    assert (decider.decide(sample, 0) == before).all()
    with pytest.raises(ValueError, match=r"decoder\.bias: expected an array of shape"):
        decider.load({**state, "decoder.bias": np.zeros(3)})
    with pytest.raises(ValueError, match="other: not among its parameters"):
        decider.load({**state, "other": np.zeros(3)})


def test_it_runs_from_its_checkpoint(file, campus):
    policy = make_policy(f"octocross:{file}")
    _, with_it = run(campus, policy)
    _, without = run(campus, NonePolicy())
    assert on_time(with_it) > on_time(without)
    assert all(state is State.ACTIVE for state in map(State, policy.loops[0].devices.state))


def test_plus_beats_published(file, campus):
    _, published = run(campus, make_policy(f"octocross:{file},published"), num_envs=6)
    _, plus = run(campus, make_policy(f"octocross:{file},plus"), num_envs=6)
    assert on_time(plus) > on_time(published)


def test_it_repeats_and_a_batch_is_as_each_alone(file, campus):
    batch, _ = run(campus, make_policy(f"octocross:{file}"), windows=40, seed=2, num_envs=2)
    assert (batch == run(campus, make_policy(f"octocross:{file}"), windows=40, seed=2, num_envs=2)[0]).all()
    for e in range(2):
        assert (batch[:, e] == run(campus, make_policy(f"octocross:{file}"), windows=40, seed=2 + e)[0][:, 0]).all()


def test_devices_that_it_does_not_know_take_part_as_new_ones(file, tmp_path):
    few = write_octocross(tmp_path / "few.safetensors", OctoCrossModel(SMALL), some_ids("node01"), {})
    policy = make_policy(f"octocross:{few}")
    run(load_scenario("campus-8", traces="synthetic"), policy, windows=3)
    devices = policy.loops[0].devices
    states = {name: State(state) for name, state in zip(devices.names, devices.state, strict=True)}
    assert states["node01"] is states["server"] is State.ACTIVE and states["node02"] is State.NEW
    assert devices.valid.all()


def test_finetuning_in_the_loop(file, churning):
    loop = LoopSettings(Patience(grace_s=5, collection_s=1))

    def tuned():
        policy = OctoCrossPolicy(f"{file},finetune-inline,plus", loop)
        policy.decider.tuning_steps = 4
        return run(churning, policy, windows=80)[0], policy

    sent, policy = tuned()
    early, late = policy.adaptations[0].outcomes
    assert early.request.removed == ("b",) and early.done_s == early.request.asked_s + 30
    # A dozen samples are too few for a window's history and horizon in both parts.
    assert not early.adopted and "shorter than a horizon" in early.problem
    assert not late.problem and late.adopted == (late.after <= late.before)
    again, _ = tuned()
    assert (sent == again).all()


def recent(samples: int = 120, nodes: int = 4, seed: int = 0) -> Recent:
    rng = np.random.default_rng(seed)
    load = np.clip(np.cumsum(rng.normal(0, 1, (samples, nodes)), 0) + 10, 0, 30)
    load[:, -1] = 0
    ones = np.ones((samples, nodes))
    return Recent(load, ones > 0, 5e7 * ones, 1e9 * ones)


SITE = Site(
    ("node01", "node02", "late", "server"),
    np.full(4, 10.0),
    np.array([False, False, False, True]),
    np.full(4, 6000.0),
    0.005,
)


def test_a_new_device_gets_a_row_of_its_own():
    decider = a_decider()
    decider.tuning_steps = 30
    old = decider.state_dict()
    trial = decider.tune(0, Request(("late",), (), 100.0), SITE, recent(), 3, lambda: False)
    new, ids = trial.learned
    assert "late" in ids.known and "late" not in decider.ids.known
    assert ids.known["late"] == max(decider.ids.known.values()) + 1
    table = "spatial.positions.weight"
    changed = np.flatnonzero((new[table] != old[table]).any(1))
    assert changed.tolist() in ([], [ids.known["late"]])
    assert all((new[name] == old[name]).all() for name in old if name.startswith(("value.", "temporal.", "blocks.")))
    assert np.isfinite([trial.before, trial.after]).all()
    # What decides is untouched until it is adopted.
    assert all((decider.state_dict()[name] == array).all() for name, array in old.items())
    again = decider.tune(0, Request(("late",), (), 100.0), SITE, recent(), 3, lambda: False)
    assert all((again.learned[0][name] == array).all() for name, array in new.items())


def test_a_removed_device_keeps_its_number():
    decider = a_decider()
    decider.tuning_steps = 5
    _, ids = decider.tune(0, Request((), ("node02",), 9.0), SITE, recent(), 3, lambda: False).learned
    assert ids.known == decider.ids.known


def test_a_training_is_given_up_when_asked():
    with pytest.raises(SchedulerError, match="given up"):
        a_decider().tune(0, Request((), ("node02",), 9.0), SITE, recent(), 3, lambda: True)


def test_too_few_samples_are_refused():
    with pytest.raises(SchedulerError, match="too few"):
        a_decider().tune(0, Request((), ("node02",), 9.0), SITE, recent(1), 3, lambda: False)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        (None, "octogym train octocross"),
        ("", "needs a checkpoint"),
        ("FILE,quick", "'quick': expected one of shares"),
        ("FILE,plus,published", "at most one of published, plus"),
        ("FILE,finetune,finetune-inline", "at most one of finetune, finetune-inline"),
    ],
)
def test_wrong_arguments_are_refused(file, argument, message):
    with pytest.raises(SchedulerError, match=message):
        OctoCrossPolicy(argument and argument.replace("FILE", str(file)))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(TensorFileError, match="cannot be read"):
        OctoCrossPolicy(str(tmp_path / "nothing.safetensors"))
