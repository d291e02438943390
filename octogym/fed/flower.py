"""FCPO's aggregation as a Flower strategy (message API; measured with flwr 1.41).

A Flower node runs one agent. Each round it gets the server's model, takes what fits it (`parameters_of`), fine-tunes
its heads, learns locally, and answers with `reply_of` its upload. What the strategy does with the answers is what
`octogym.fed.rounds.RoundServer` does: the same checks, the same weights.

Raises:
    MissingExtra: `flwr` is not installed (extra `fed`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from octogym.cluster.errors import MissingExtra
from octogym.fed.aggregate import GlobalModel
from octogym.fed.rounds import RoundServer
from octogym.fed.update import NAMES, ClientSpec, Upload

try:
    from flwr.app import Array, ArrayRecord, ConfigRecord, Message, MessageType, MetricRecord, RecordDict
    from flwr.serverapp import Grid
    from flwr.serverapp.strategy import Strategy
except ImportError as error:
    raise MissingExtra("fed", "flwr") from error

if TYPE_CHECKING:
    from flwr.app import ConfigRecordValues

ARRAYS, CONFIG, METRICS, ROUND = "arrays", "config", "metrics", "server-round"


def parameters_of(content: RecordDict, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """What the server's model in a train message holds for an agent with parameters of these shapes.

    Empty in the first round; parts that no round has seen in these shapes are absent.
    """
    named = {key: np.array(array.numpy()) for key, array in content.array_records[ARRAYS].items()}
    return GlobalModel.restored(named, {key.partition("/")[0]: () for key in named}).parameters(shapes)


def round_of(content: RecordDict) -> int:
    """The number of the round that a train message opens, for `FedClient.upload`."""
    return _integer(content.config_records[CONFIG][ROUND])


def reply_of(upload: Upload) -> RecordDict:
    """The content of a node's answer."""
    r, b, m = upload.sizes
    about: dict[str, ConfigRecordValues] = {
        "client": upload.client,
        "device": upload.device,
        ROUND: upload.round,
        "r": r,
        "b": b,
        "m": m,
    }
    return RecordDict(
        {
            ARRAYS: ArrayRecord({name: Array(array) for name, array in upload.parameters.items()}),
            METRICS: MetricRecord({"loss": float(upload.loss)}),
            CONFIG: ConfigRecord(about),
        }
    )


def _integer(value: object) -> int:
    if not isinstance(value, int):
        raise TypeError(f"{value!r} is no integer")
    return value


def _number(value: object) -> float:
    if not isinstance(value, (int, float)):
        raise TypeError(f"{value!r} is no number")
    return value


class FcpoStrategy(Strategy):
    """Equal averages of backbone and value head, heads by loss, over the answers of all nodes.

    Args:
        clients: every client that a node may answer for.
        weighting, mix_global: as in `octogym.fed.aggregate.aggregate`.

    Attributes:
        server: the round server, with its model and its counts of refused answers.

    Example:
        >>> strategy = FcpoStrategy(specs)
        >>> result = strategy.start(grid=grid, initial_arrays=ArrayRecord({}), num_rounds=50, timeout=30)
    """

    def __init__(self, clients: Iterable[ClientSpec], weighting: str = "loss", mix_global: bool = True) -> None:
        self.server = RoundServer(clients, weighting, mix_global)

    def summary(self) -> None:
        """Nothing to say beyond what Flower logs."""

    def configure_train(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """One message for each node, with the model and the round's number."""
        # Flower keeps the time of a round; here a round lasts from one call to the next.
        number = self.server.open(self.server.clients, 0)
        content = RecordDict({ARRAYS: arrays, CONFIG: ConfigRecord({**config, ROUND: number})})
        return [Message(content, dst_node_id=node, message_type=MessageType.TRAIN) for node in grid.get_node_ids()]

    def aggregate_train(
        self, server_round: int, replies: Iterable[Message]
    ) -> tuple[ArrayRecord | None, MetricRecord | None]:
        """Check and aggregate what came; (None, metrics) if it was too little and the model stays."""
        for reply in replies:
            if not reply.has_error():
                self._receive(reply.content)
        closed = self.server.due(self.server.timer_ns)
        assert closed is not None, "configure_train opens the round"
        metrics = MetricRecord({"participants": len(closed.participants), "refused": sum(closed.refused.values())})
        if not closed.changed:
            return None, metrics
        return ArrayRecord({key: Array(array) for key, array in self.server.model.named().items()}), metrics

    def _receive(self, content: RecordDict) -> None:
        try:
            about, metrics = content.config_records[CONFIG], content.metric_records[METRICS]
            arrays = {name: np.array(array.numpy()) for name, array in content.array_records[ARRAYS].items()}
            upload = Upload(
                client=str(about["client"]),
                device=str(about["device"]),
                round=_integer(about[ROUND]),
                sizes=(_integer(about["r"]), _integer(about["b"]), _integer(about["m"])),
                loss=_number(metrics["loss"]),
                parameters=arrays,
            )
        except (KeyError, TypeError, ValueError):
            self.server.refuse(NAMES)
            return
        self.server.receive(upload, 0)

    def configure_evaluate(
        self, server_round: int, arrays: ArrayRecord, config: ConfigRecord, grid: Grid
    ) -> Iterable[Message]:
        """No evaluation on nodes: an agent reports its loss with each answer."""
        return []

    def aggregate_evaluate(self, server_round: int, replies: Iterable[Message]) -> MetricRecord | None:
        return None
