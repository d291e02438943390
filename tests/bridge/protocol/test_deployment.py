"""A deployment is the device's part of the scenario, and its bytes are the contract."""

import msgspec
import numpy as np
import pytest

from octogym.bridge.protocol import Deployment, ProtocolError, contract_hash, deployments
from octogym.bridge.protocol.deployment import decode_deployment, encode_deployment
from octogym.bridge.protocol.observations import ObsRows
from octogym.cluster import load_scenario
from octogym.cluster.telemetry import BINS


@pytest.fixture(scope="module")
def scenario():
    return load_scenario("traffic-2")


def test_every_instance_route_and_camera_is_deployed_once_in_the_scenarios_order(scenario):
    found = deployments(scenario, {}, {})
    cluster = scenario.cluster
    assert list(found) == [device.id for device in cluster.devices]
    for index, n in (("instance_index", cluster.S), ("route_index", cluster.R), ("camera_index", cluster.C)):
        parts = [getattr(deployment, index)() for deployment in found.values()]
        assert sorted(np.concatenate(parts).tolist()) == list(range(n))
        assert all((np.diff(part) > 0).all() for part in parts)
    for deployment in found.values():
        for spec in deployment.instances:
            instance = cluster.instances[spec.index]
            assert (spec.id, spec.max_batch, spec.budget_ns) == (
                instance.id,
                instance.max_batch,
                cluster.budget_ns(spec.index),
            )
        for route in deployment.routes:
            assert route.share_milli == cluster.routes[route.index].share_milli
        assert deployment.bins == BINS and ObsRows.zeros(deployment).histograms.shape[2] == BINS


def test_a_device_tells_of_the_results_that_may_end_there(scenario):
    found = deployments(scenario, {}, {})
    assert {device: part.results for device, part in found.items()} == {
        "cam-1": ["crossing-1"],
        "cam-2": ["crossing-2"],
        "server": ["crossing-1", "crossing-2"],
    }
    # Everybody may send to everybody.
    shared = load_scenario("campus-8")
    cameras = [camera.id for camera in shared.cluster.cameras]
    assert all(part.results == cameras for part in deployments(shared, {}, {}).values())


def test_the_contract_is_the_hash_of_the_bytes_and_changes_with_any_limit(scenario):
    deployment = next(iter(deployments(scenario, {}, {}).values()))
    data = encode_deployment(deployment)
    assert decode_deployment(data, contract_hash(data)) == deployment
    other = msgspec.msgpack.decode(data, type=Deployment)
    other.instances[0].max_batch -= 1
    assert contract_hash(encode_deployment(other)) != contract_hash(data)
    assert encode_deployment(msgspec.msgpack.decode(data, type=Deployment)) == data


def test_bytes_that_are_not_what_was_announced_are_refused(scenario):
    data = encode_deployment(next(iter(deployments(scenario, {}, {}).values())))
    with pytest.raises(ProtocolError) as refused:
        decode_deployment(data + b"\0", contract_hash(data))
    assert refused.value.rule == "hash"


@pytest.mark.parametrize(
    "change", [{"period_ns": 0}, {"settings_validity": 0}, {"doublings": 10**6}, {"bin_base_ns": 0}]
)
def test_a_deployment_out_of_range_is_refused(scenario, change):
    raw = msgspec.msgpack.decode(encode_deployment(next(iter(deployments(scenario, {}, {}).values()))))
    data = msgspec.msgpack.encode({**raw, **change})
    with pytest.raises(ProtocolError) as refused:
        decode_deployment(data, contract_hash(data))
    assert refused.value.rule == "field"


def test_control_and_model_files_are_the_hosts_word(scenario):
    device = scenario.cluster.devices[0].id
    model = scenario.cluster.stages[0].model
    found = deployments(scenario, {device: "agent"}, {model: "ab" * 32})[device]
    assert all(spec.control == "agent" for spec in found.instances)
    assert all(spec.sha256 == ("ab" * 32 if spec.model == model else "") for spec in found.instances)
