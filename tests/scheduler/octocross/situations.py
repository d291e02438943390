"""Random clusters for the tests of the model."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import torch

from octogym.scheduler.octocross.config import OctoCrossConfig
from octogym.scheduler.octocross.ids import SERVER
from octogym.scheduler.octocross.loss import Situation, Targets
from octogym.scheduler.octocross.model import OctoCrossModel

#: A model that is quick to run and has every part.
SMALL = OctoCrossConfig(history=12, horizon=6, width=16, blocks=2, heads=4, positions=64)
#: The same with attention to few nodes, whatever the size of the cluster.
SPARSE = replace(SMALL, neighbours=5, dense_nodes=1)


class Cluster(NamedTuple):
    """Arguments of the model, in its order."""

    history: torch.Tensor
    capacity: torch.Tensor
    views: torch.Tensor
    valid: torch.Tensor
    ids: torch.Tensor

    def pick(self, nodes):
        """The cluster of these nodes alone, in this order."""
        n = torch.as_tensor(nodes)
        return Cluster(
            self.history[:, n], self.capacity[:, n], self.views[:, :, n][:, :, :, n], self.valid[:, n], self.ids[:, n]
        )

    def situation(self):
        """Everyone may send to everyone that is there, but servers to none."""
        servers = self.ids == SERVER
        edges = self.valid[:, :, None] & self.valid[:, None, :] & ~servers[:, :, None]
        return Situation(self.history[:, :, -1], self.capacity, edges, self.valid, servers, 1 - self.views[:, 1])


def random_cluster(nodes, batch=1, config=SMALL, seed=0, server=True):
    """Loads from 0 to 20 at capacities of about 10; the last node is a server, with no load of its own."""
    draw = torch.Generator().manual_seed(seed)
    history = torch.rand(batch, nodes, config.history, generator=draw) * 20
    capacity = 8 + 4 * torch.rand(batch, nodes, generator=draw)
    views = torch.rand(batch, 3, nodes, nodes, generator=draw) * (1 - torch.eye(nodes))
    ids = torch.arange(2, nodes + 2).repeat(batch, 1)
    if server:
        history[:, -1], capacity[:, -1], ids[:, -1] = 0.0, 22.0, SERVER
    return Cluster(history, capacity, views, torch.ones(batch, nodes, dtype=torch.bool), ids)


def targets(cluster, horizon=SMALL.horizon, seed=1):
    """Random next loads, and a label that spreads them evenly."""
    draw = torch.Generator().manual_seed(seed)
    batch, nodes = cluster.capacity.shape
    load = torch.rand(batch, nodes, horizon, generator=draw) * 20
    load[cluster.ids == SERVER] = 0.0
    return Targets(load, load.mean(1, keepdim=True).expand(-1, nodes, -1))


def lively(config=SMALL, seed=0):
    """A model whose forecasts depend on what the encoder says (a new one begins with persistence)."""
    model = OctoCrossModel(config, seed)
    with torch.no_grad():
        model.decoder.weight.normal_(std=0.1, generator=torch.Generator().manual_seed(seed))
    return model
