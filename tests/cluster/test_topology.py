"""Clusters: indices, links, GPUs, time budgets."""

from pathlib import Path

import numpy as np
import pytest

from octogym.cluster.loading import load_scenario
from octogym.cluster.settings import THREAD_ACTIONS
from octogym.cluster.topology import Cluster
from tests.cluster.small_scenario import write

MS = 1_000_000


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return load_scenario(write(tmp_path)).cluster


def test_sizes(cluster: Cluster) -> None:
    assert (cluster.S, cluster.D, cluster.C, cluster.L, cluster.G) == (7, 3, 2, 6, 4)
    assert len(cluster.routes) == cluster.R
    assert cluster.groups == len({route.group for route in cluster.routes})


def test_index_finds_instances_by_id(cluster: Cluster) -> None:
    assert [cluster.index[instance.id] for instance in cluster.instances] == list(range(cluster.S))


def test_gpus_are_numbered_over_devices(cluster: Cluster) -> None:
    assert [cluster.first_gpu(device) for device in range(cluster.D)] == [0, 1, 2]
    for instance in cluster.instances:
        first = cluster.first_gpu(instance.device)
        assert first <= instance.gpu < first + cluster.devices[instance.device].type.gpus


def test_routes_of_a_group_are_one_source_and_stage_local_first(cluster: Cluster) -> None:
    source_device = [i.device for i in cluster.instances] + [c.device for c in cluster.cameras]
    table = cluster.route_table()
    assert table.shape == (cluster.R, 4)
    for group in range(cluster.groups):
        rows = table[table[:, 3] == group]
        assert len(np.unique(rows[:, 0])) == len(np.unique(rows[:, 1])) == 1
        assert all(cluster.instances[target].stage == rows[0, 1] for target in rows[:, 2])
        local = [cluster.instances[target].device == source_device[rows[0, 0]] for target in rows[:, 2]]
        assert local == sorted(local, reverse=True)
        assert len(set(rows[:, 2])) == len(rows)


def test_groups_are_numbered_in_the_order_of_routes(cluster: Cluster) -> None:
    groups = [route.group for route in cluster.routes]
    assert groups == sorted(groups)
    assert set(groups) == set(range(cluster.groups))


def test_out_edges(cluster: Cluster) -> None:
    assert cluster.out_edges(0) == (0,)
    assert cluster.out_edges(1) == (1,)
    assert cluster.out_edges(2) == ()


def test_budget_is_1_2_times_the_fastest_way_to_the_last_result(cluster: Cluster) -> None:
    def own(i: int) -> int:
        profile = cluster.instances[i].profile
        return (profile.pre_ns + profile.infer_ns[0] + profile.post_ns) * 12 // 10

    index = cluster.index
    read, hub, node = index["hub/gate.read"], index["hub/gate.plate"], index["node1/gate.plate"]
    assert cluster.budget_ns(read) == own(read) == pytest.approx(1.2 * 1.95 * MS)
    assert cluster.budget_ns(node) == own(node) + own(read)
    # the detector's crops may go to the hub, which is faster than its own device
    assert own(hub) < own(node)
    detector = index["node1/gate.detector"]
    assert cluster.budget_ns(detector) == own(detector) + own(hub) + own(read)


def test_slo_and_thread_actions(cluster: Cluster) -> None:
    assert all(cluster.instance_slo_ns(i) == 200 * MS for i in range(cluster.S))
    assert [cluster.thread_action(k) for k in range(4)] == list(THREAD_ACTIONS)
