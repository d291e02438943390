"""The scenarios that ship with the package."""

import numpy as np
import pytest

from octogym.cluster.registry import load_scenario, scenarios
from octogym.cluster.scenario import Scenario

NAMES = [*scenarios(), "scale-1", "scale-2", "scale-3", "scale-65"]
MS = 1_000_000


def shipped(name: str, **settings: object) -> Scenario:
    return load_scenario(name, traces="synthetic", **settings)


@pytest.mark.parametrize("name", NAMES)
def test_loads_and_plans_in_train_and_test(name: str) -> None:
    for split in ("train", "test"):
        scenario = shipped(name, split=split)
        assert scenario.name == name
        assert scenario.description
        assert scenario.synthetic_profiles and all(i.profile.provenance for i in scenario.cluster.instances)
        plan = scenario.plan(0)
        assert len(plan.cameras) == scenario.cluster.C
        assert len(plan.links) == scenario.cluster.L
        assert len(plan.absent_ns) == scenario.cluster.D


@pytest.mark.parametrize("name", scenarios())
def test_description_is_one_line(name: str) -> None:
    text = scenarios()[name]
    assert text
    assert "\n" not in text


def test_fcpo_testbed_is_the_published_one() -> None:
    scenario = shipped("fcpo-testbed")
    cluster = scenario.cluster
    kinds = [device.type.name for device in cluster.devices]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "xavier-nx": 5,
        "orin-nano": 3,
        "agx-xavier": 3,
        "gtx1080ti-pc": 1,
        "rtx3090-server": 1,
    }
    server = cluster.devices[-1].type
    assert server.gpus * server.lanes == 16
    assert len(cluster.cameras) == 20
    assert {camera.fps for camera in cluster.cameras} == {15}
    assert set(cluster.slo_ns.values()) == {250 * MS}
    assert cluster.lazy_drop
    where = {camera.id: cluster.devices[camera.device].id for camera in cluster.cameras}
    assert where["traffic100"] == "nx4"
    assert where["traffic50"] == "agx1"
    assert where["indoor2"] == "onprem"


def test_fcpo_testbed_heads_are_the_published_ones() -> None:
    cluster = shipped("fcpo-testbed").cluster
    kinds = {i.id: cluster.devices[i.device].type.name for i in cluster.instances}
    detector = {"xavier-nx": (2, 8, 2), "orin-nano": (2, 8, 2), "agx-xavier": (4, 16, 2), "gtx1080ti-pc": (2, 16, 2)}
    for instance in cluster.instances:
        model = cluster.stages[instance.stage].model
        if model == "yolov5n":
            assert instance.action_sizes == detector[kinds[instance.id]]
        elif kinds[instance.id] == "rtx3090-server":
            assert instance.action_sizes == (1, 64, 4)
    queues = {stage.model: stage.queues for stage in cluster.stages}
    assert queues["platedet"] == (100,) * 5
    assert queues["gender"] == (100, 10, 100, 10, 100)


@pytest.mark.parametrize(
    ("pipeline", "per_object"), [("traffic", {"car": 2.0, "person": 0.5}), ("surveillance", {"person": 2.5})]
)
def test_results_per_object_are_the_nominal_ones(pipeline: str, per_object: dict) -> None:
    cluster = shipped("fcpo-testbed").cluster

    def results(stage: int) -> float:
        below = [edge.target for edge in cluster.edges if edge.source == stage]
        if not below:
            return 1.0
        crops = sum(n * p for n, p in enumerate(cluster.stages[stage].children))
        return crops * sum(results(target) for target in below)

    first = next(k for k, s in enumerate(cluster.stages) if s.pipeline == pipeline and s.first)
    found = dict.fromkeys(per_object, 0.0)
    for edge in cluster.edges:
        if edge.source == first:
            found[cluster.classes[edge.object_class]] += results(edge.target)
    assert found == pytest.approx(per_object)


def test_fcpo_profiles_are_the_published_formula() -> None:
    cluster = shipped("fcpo-testbed").cluster
    first = {cluster.devices[i.device].type.name: i.profile for i in cluster.instances if i.profile.model == "yolov5n"}
    expected = {"gtx1080ti-pc": 2.4, "agx-xavier": 9.4, "orin-nano": 10.0, "xavier-nx": 14.7}
    for kind, ms in expected.items():
        assert first[kind].infer_ns[0] / MS == pytest.approx(ms, abs=0.05)
        assert first[kind].pre_ns == (2 if kind == "gtx1080ti-pc" else 6) * MS


def test_stricter_slo_by_a_parameter() -> None:
    assert set(shipped("fcpo-testbed", slo_ms=100).cluster.slo_ns.values()) == {100 * MS}


@pytest.mark.parametrize(
    ("name", "cameras", "fps"),
    [
        ("campus-8", 8, 15),
        ("campus-12", 12, 15),
        ("campus-16", 16, 15),
        ("city-8", 8, 10),
        ("city-16", 16, 10),
        ("city-19", 19, 10),
        ("city-26", 26, 10),
    ],
)
def test_two_stage_sets(name: str, cameras: int, fps: float) -> None:
    cluster = shipped(name).cluster
    assert len(cluster.cameras) == cameras
    assert {camera.fps for camera in cluster.cameras} == {fps}
    assert set(cluster.slo_ns.values()) == {200 * MS}
    assert not cluster.lazy_drop
    assert len(cluster.stages) == 2
    # each detector may send to the second stage of every device and of the server, at the start all to its own
    for camera in range(cameras):
        source = next(
            i for i, x in enumerate(cluster.instances) if x.device == cluster.cameras[camera].device and x.stage == 0
        )
        own = [route for route in cluster.routes if route.source == source]
        assert len(own) == cameras + 1
        assert [route.share_milli for route in own] == [1000] + [0] * cameras
        assert cluster.instances[own[0].target].device == cluster.cameras[camera].device


def test_smaller_sets_are_the_first_cameras_of_larger_ones() -> None:
    small, large = shipped("campus-8"), shipped("campus-16")
    ids = [camera.id for camera in small.cluster.cameras]
    assert [camera.id for camera in large.cluster.cameras[:8]] == ids
    kinds = {device.id: device.type.name for device in large.cluster.devices}
    assert all(kinds[device.id] == device.type.name for device in small.cluster.devices)


@pytest.mark.parametrize(("name", "fps"), [("campus-16", 15), ("city-16", 10)])
def test_second_stage_sustains_the_stated_objects_per_frame(name: str, fps: float) -> None:
    stated = {
        "xavier-nx": 6.9,
        "orin-nano": 8.5,
        "agx-xavier": 8.9,
        "orin-nx": 10.3,
        "agx-orin": 17.3,
        "gtx1080-server": 22.3,
    }
    cluster = shipped(name).cluster
    seen = set()
    for instance in cluster.instances:
        if instance.stage != 1:
            continue
        kind = cluster.devices[instance.device].type.name
        own = [i for i in cluster.instances if i.device == instance.device and i.stage == 0]
        detector_s = sum(i.profile.infer_ns[0] for i in own) / 1e9
        cycle_s = (instance.profile.infer_ns[3] + 1 * MS) / 1e9
        assert 4 * (1 - fps * detector_s) / cycle_s == pytest.approx(stated[kind] * fps, rel=0.01)
        seen.add(kind)
    assert seen == set(stated)


def test_racks_have_agents_on_both_stages() -> None:
    for name in ("campus-16-rack", "city-16-rack"):
        cluster = shipped(name).cluster
        assert all(instance.agent_controlled for instance in cluster.instances)
        assert [i.id for i in cluster.instances] == [i.id for i in shipped(name[: -len("-rack")]).cluster.instances]


@pytest.mark.parametrize("agents", [1, 2, 3, 16, 33])
def test_scale_has_as_many_agents_as_its_name_says(agents: int) -> None:
    cluster = shipped(f"scale-{agents}").cluster
    assert agents == cluster.S
    assert (agents + 1) // 2 == cluster.D
    assert {route.source for route in cluster.routes} >= set(range(cluster.S, cluster.S + cluster.C))


def test_scale_asks_about_150_requests_a_second_of_each_agent() -> None:
    scenario = shipped("scale-16")
    plan = scenario.plan(0)
    row = plan.cameras[0].series[0]
    mean = scenario.counts.counts[row, 0, : scenario.counts.length[row]].mean()
    factor = np.mean([camera.factor_milli[0] for camera in plan.cameras]) / 1000
    assert (30 + 30 * mean * factor) / 2 == pytest.approx(150, rel=0.1)
