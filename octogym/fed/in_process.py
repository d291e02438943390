"""A federation within one process and in simulated time: what a training run in the simulator uses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from octogym.fed.aggregate import GlobalModel
from octogym.fed.cell import Cell, RoundReport, Updated
from octogym.fed.client import WAITING, FedClient
from octogym.fed.config import FedConfig
from octogym.fed.errors import FedError
from octogym.fed.hierarchy import Cloud
from octogym.fed.links import Links

__all__ = ["Federation", "RoundReport", "Updated"]


class Federation:
    """Clients, their edge servers, and the links between them, driven by the caller's clock.

    Call `after_step` once in each control window; those in which nobody waits or updates may be left out. A round opens
    when the first client has done `fl_every` local updates; uploads and replies take bytes over bandwidth, and arrive
    in the order of their simulated times. Agents in `waiting` go on deciding and counting steps, but must not learn,
    also not where their episode ends meanwhile; what they experience is discarded.

    Args:
        config: settings.
        clients: made with `config.client`; the agents of one system, in any order.
        seed: of the selection's exploration.
        clusters: device -> name of its cluster; each cluster has an edge server, and a cloud exchanges their models.
            None: one server for all.

    Raises:
        FedError: clients of one name, a device without a cluster, clients that cannot share a backbone.

    Example:
        >>> config = FedConfig()
        >>> clients = [
        ...     FedClient(instance.id, cluster.devices[instance.device].id, stack, i, config.client)
        ...     for i, instance in enumerate(instances)
        ... ]
        >>> federation = Federation(config, clients, seed=1)
        >>> while training:
        ...     ...  # one control window; an agent's episode ends when it has counted federation.steps[name] steps
        ...     losses = {}  # client -> loss, of those whose episode has ended and who are not in federation.waiting
        ...     for report in federation.after_step(now_ns, losses):
        ...         print(report.round, report.participants, report.bytes_up, report.duration_ns / 1e9)
    """

    def __init__(
        self,
        config: FedConfig,
        clients: Iterable[FedClient],
        seed: int = 0,
        clusters: Mapping[str, str] | None = None,
    ) -> None:
        self.config = config
        self.clients: dict[str, FedClient] = {}
        members: dict[str, list[FedClient]] = {}
        for client in sorted(clients, key=lambda c: c.name):
            if client.name in self.clients:
                raise FedError(f"two clients are called {client.name!r}")
            if clusters is not None and client.spec.device not in clusters:
                raise FedError(f"device {client.spec.device!r} of client {client.name!r} is in no cluster")
            self.clients[client.name] = client
            members.setdefault("" if clusters is None else clusters[client.spec.device], []).append(client)
        if not self.clients:
            raise FedError("a federation needs at least one client")
        self.links = Links(config.latency_ns, config.bandwidth_bps, config.server)
        self.cells = {name: Cell(name, config, found, seed, self.links) for name, found in sorted(members.items())}
        self.cloud: Cloud | None = None
        if clusters is not None:
            self.cloud = Cloud(self.cells, config.cloud_every, config.cloud_by, config.weighting)

    @property
    def waiting(self) -> frozenset[str]:
        """Names of the clients that wait for a reply."""
        return frozenset(name for name, client in self.clients.items() if client.state == WAITING)

    @property
    def steps(self) -> dict[str, int]:
        """Client -> length of its episodes now."""
        return {name: client.steps for name, client in self.clients.items()}

    @property
    def model(self) -> GlobalModel:
        """What the server (the cloud, where there is one) holds; for the warm start of a new agent."""
        return self.cloud.model if self.cloud is not None else next(iter(self.cells.values())).server.model

    def after_step(
        self,
        now_ns: int,
        updated: Mapping[str, float | Updated],
        bandwidth_bps: Mapping[str, tuple[float, float]] | None = None,
    ) -> list[RoundReport]:
        """The control window that ends at `now_ns` is over.

        Args:
            updated: client -> the loss of the local update it has just done (or an `Updated`, with more for the
                selection); clients without an update are absent.
            bandwidth_bps: device -> (uplink, downlink) in bit/s from now on; None: `config.bandwidth_bps` for all.

        Returns:
            Reports of the rounds that have ended, their last reply included; empty at most calls.

        Raises:
            FedError: an unknown client, or time runs backwards.
        """
        unknown = [name for name in updated if name not in self.clients]
        if unknown:
            raise FedError(f"no client {unknown[0]!r}")
        self.links.now(now_ns, bandwidth_bps)
        reports = []
        for name, cell in self.cells.items():
            mine = {client: value for client, value in updated.items() if client in cell.clients}
            closed, report = cell.after_step(now_ns, mine)
            if self.cloud is not None and closed is not None:
                self.cloud.edge_round(name, closed, cell.server.model)
            if report is not None:
                reports.append(report)
        if self.cloud is not None and self.cloud.due:
            model = self.cloud.exchange()
            for cell in self.cells.values():
                cell.server.model = model
        return reports

    def state_dict(self) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Everything that changes, a round under way included: arrays by name, and values that JSON takes.

        The agents themselves are saved with their stacks.
        """
        arrays: dict[str, np.ndarray] = {}
        plain: dict[str, Any] = {"links": self.links.state_dict(), "cells": {}}
        for name, cell in self.cells.items():
            found, plain["cells"][name] = cell.state_dict()
            arrays.update({f"cell/{name}/{key}": array for key, array in found.items()})
        if self.cloud is not None:
            arrays.update({f"cloud/{key}": array for key, array in self.cloud.model.named().items()})
            plain["cloud"] = {**self.cloud.state_dict(), "made_by": self.cloud.model.made_by()}
        return arrays, plain

    def load(self, arrays: Mapping[str, np.ndarray], plain: Mapping[str, Any]) -> None:
        """Take up a `state_dict` again; afterwards everything goes on as if it had never stopped.

        Raises:
            FedError: it is the state of other clients or clusters.
        """
        cells = plain["cells"]
        if set(cells) != set(self.cells) or any(
            set(cells[n]["clients"]) != set(c.clients) for n, c in self.cells.items()
        ):
            raise FedError("the state is that of a federation of other clients or clusters")
        transits = self.links.load(plain["links"])
        for name, cell in self.cells.items():
            cell.load(_below(arrays, f"cell/{name}/"), cells[name], transits)
        if self.cloud is not None:
            model = GlobalModel.restored(_below(arrays, "cloud/"), plain["cloud"]["made_by"])
            self.cloud.load(plain["cloud"], model, {name: cell.server.model for name, cell in self.cells.items()})


def _below(arrays: Mapping[str, np.ndarray], start: str) -> dict[str, np.ndarray]:
    return {key[len(start) :]: array for key, array in arrays.items() if key.startswith(start)}
