"""Rivals as deciders: a forecast of every node's load, and a rule that turns it into shares."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from octogym.cluster.offloading.layout import OffloadLayout
from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.octocross.ids import SERVER, DeviceIds
from octogym.scheduler.octocross.inference import Outlook
from octogym.scheduler.octocross.projection import DECISION_SAMPLES, expected_load, shares
from octogym.scheduler.octocross.rule import Rule, shares_by_rule
from octogym.scheduler.octocross.torch_extra import torch
from octogym.scheduler.offload.sample import Sample
from octogym.scheduler.rivals.file import Rival
from octogym.scheduler.rivals.greedy import even_out, relieve

#: What a model says and what is known -> shares [M, M].
Decision = Callable[[Outlook, Sample], np.ndarray]


class RivalDecider:
    """A model that forecasts as `OctoCrossModel` does, and what decides on it.

    Args:
        model: of `octogym.scheduler.rivals.file`.
        ids: rows of the positional table, where the model has one.
        nodes: of the graph that the model was trained on, empty where it has none.
    """

    def __init__(self, model: Rival, ids: DeviceIds, decision: Decision, nodes: tuple[str, ...] = ()) -> None:
        self.model, self.ids, self.decision, self.nodes = model.eval(), ids, decision, nodes

    def reset(self, layout: OffloadLayout, num_envs: int, seed: int) -> None:
        """
        Raises:
            SchedulerError: another cluster than that of the graph.
        """
        names = tuple(layout.cluster.devices[d].id for d in layout.node_device.tolist())
        if self.nodes and names != self.nodes:
            raise SchedulerError(
                f"scenario {layout.cluster.name!r} has {len(names)} nodes ({_some(names)}); this GNN_LSTM was trained "
                f"on a graph of {len(self.nodes)} ({_some(self.nodes)}) and knows no other: train it anew for this one"
            )

    def decide(self, sample: Sample, e: int) -> np.ndarray:
        return self.decision(predict(self.model, sample, self.ids), sample)

    def state_dict(self) -> dict[str, np.ndarray]:
        return {name: x.detach().numpy().copy() for name, x in self.model.state_dict().items()}

    def load(self, state: dict[str, np.ndarray]) -> None:
        """ValueError if it is not of this model."""
        try:
            self.model.load_state_dict({name: torch.from_numpy(np.array(x)) for name, x in state.items()})
        except RuntimeError as error:
            raise ValueError(f"{type(self).__name__}: {error}") from None


@torch.no_grad()
def predict(model: Rival, sample: Sample, ids: DeviceIds) -> Outlook:
    """What a model says of one sample.

    Raises:
        SchedulerError: the sample's history is too short for the model.
    """
    length = model.config.history
    if sample.history.shape[1] < length:
        raise SchedulerError(f"a history of {sample.history.shape[1]} samples: expected {length}, as in training")
    numbers = np.where(sample.servers, SERVER, ids.of(sample.names))
    found = model(
        torch.as_tensor(sample.history[None, :, -length:], dtype=torch.float32),
        torch.as_tensor(sample.capacity[None], dtype=torch.float32),
        torch.as_tensor(sample.views[None], dtype=torch.float32),
        torch.as_tensor(sample.valid[None]),
        torch.as_tensor(numbers[None]),
    )
    return Outlook(found.forecast[0].numpy(), found.scores[0].numpy())


def by_distream(outlook: Outlook, sample: Sample) -> np.ndarray:
    """Shares of `greedy.even_out` for the mean forecast of the next 15 s."""
    load = planned(outlook, sample)
    slower = np.minimum(sample.up_bps[:, None], sample.down_bps[None, :])
    rate = slower / (8 * sample.crop_bytes[:, None] * sample.fps)
    capacity = np.where(sample.valid, sample.capacity, 0.0)
    return shares(even_out(load, capacity, sample.edges, rate, sample.queue, sample.valid), load)


def by_room(outlook: Outlook, sample: Sample) -> np.ndarray:
    """Shares of `greedy.relieve` for the mean forecast of the next 15 s."""
    load = planned(outlook, sample)
    return shares(relieve(load, np.where(sample.valid, sample.capacity, 0.0), sample.edges), load)


def by_scores(rule: Rule) -> Decision:
    """OctoCross's own decision: scores through its projection."""

    def decision(outlook: Outlook, sample: Sample) -> np.ndarray:
        load = expected_load(np.where(sample.valid, sample.load, 0.0), outlook.forecast.astype(np.float64))
        capacity = np.where(sample.valid, sample.capacity, 0.0)
        where = (sample.edges, sample.routes, sample.valid, sample.servers)
        return shares_by_rule(outlook.scores, load, capacity, *where, rule)

    return decision


def planned(outlook: Outlook, sample: Sample) -> np.ndarray:
    """float64 [M], mean forecast of the time that a decision holds, objects per frame; 0 for nodes without cameras."""
    load = np.zeros(len(sample.names))
    load[: sample.agents] = outlook.forecast[: sample.agents, :DECISION_SAMPLES].mean(1)
    return np.where(sample.valid, load, 0.0)


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:4]) + (", ..." if len(names) > 4 else "")
