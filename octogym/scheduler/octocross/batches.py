"""Windows of load series as the model and its loss take them, varied so that little data goes a long way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from octogym.cluster.offloading import views as formulas
from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.octocross.dataset import LoadSeries
from octogym.scheduler.octocross.edges import TARGETS, valid_edges
from octogym.scheduler.octocross.ids import SERVER, UNKNOWN_SHARE, DeviceIds, some_unknown
from octogym.scheduler.octocross.labels import balanced_loads
from octogym.scheduler.octocross.windows import windows

#: Samples over which the processed load is a mean.
_PROCESSED = 3


class Batch(NamedTuple):
    """B windows of N nodes, NumPy arrays.

    The first five are the model's arguments in its order (`OctoCrossModel.forward`), the next four the rest of
    `loss.Situation`, the last three `loss.Targets`.
    """

    history: np.ndarray  # float32 [B, N, tau]
    capacity: np.ndarray  # float32 [B, N]
    views: np.ndarray  # float32 [B, 3, N, N]
    valid: np.ndarray  # bool [B, N]
    ids: np.ndarray  # int64 [B, N]
    edges: np.ndarray  # bool [B, N, N]
    servers: np.ndarray  # bool [B, N]
    cost: np.ndarray  # float32 [B, N, N]
    load: np.ndarray  # float32 [B, N], the last of the history
    future: np.ndarray  # float32 [B, N, Q]
    label: np.ndarray  # float32 [B, N, Q]
    known: np.ndarray  # bool [B, N, Q], samples of the future that say anything of the forecast


@dataclass(frozen=True)
class Variation:
    """How training windows are varied; each window has its own draw.

    Attributes:
        scale: capacities are multiplied by exp(u), u uniform within plus and minus this (loads keep their numbers).
        reverse: part of the windows that run backwards in time: people come as they go.
        missing: part of the windows in which nodes are missing, each with this chance, too.
        unknown: part of the devices whose row of the positional table is the unknown one.
    """

    scale: float = 0.4
    reverse: float = 0.5
    missing: float = 0.25
    unknown: float = UNKNOWN_SHARE

    def __post_init__(self) -> None:
        if not 0 <= self.scale < 10:
            raise SchedulerError(f"scale = {self.scale}: expected a number from 0, below 10")
        for name in ("reverse", "missing", "unknown"):
            if not 0 <= getattr(self, name) <= 1:
                raise SchedulerError(f"{name} = {getattr(self, name)}: expected a number from 0 to 1")


#: Windows as they are; for validation and test.
PLAIN = Variation(0.0, 0.0, 0.0, 0.0)


def batch(
    series: LoadSeries,
    times: np.ndarray,
    history: int,
    horizon: int,
    ids: DeviceIds,
    vary: Variation = PLAIN,
    rng: np.random.Generator | None = None,
) -> Batch:
    """Windows of a series at ``times`` int64 [B].

    Args:
        ids: rows of the positional table, by the series' names of nodes.
        vary: what is drawn from ``rng``, which only `PLAIN` does without. What other nodes' offloading put on a node
            before is not in the data: with an ``rng`` the resource view is that of a state between nothing offloaded
            and all balanced; without, half way.
    """
    b, count = len(times), len(series.nodes)
    if rng is None and vary != PLAIN:
        raise SchedulerError("rng = None: expected a generator where windows are varied")
    past, future = windows(series.loads, times, history, horizon)
    known = windows(series.available, times, history, horizon).future
    physical = np.stack([series.physical(int(t)) for t in times])
    valid = series.available[times - 1].copy()
    now = times - 1
    capacity = np.broadcast_to(series.capacity, (b, count))
    numbers = np.broadcast_to(np.where(series.servers, SERVER, ids.of(series.nodes)), (b, count))
    mix = np.full((b, 1), 0.5)
    if rng is not None:
        mix = rng.random((b, 1))
        capacity = capacity * np.exp(vary.scale * rng.uniform(-1.0, 1.0, (b, 1)))
        past, future, known, physical = _reversed(rng, vary.reverse, past, future, known, physical, horizon)
        gone = (rng.random((b, 1)) < vary.missing) & (rng.random((b, count)) < vary.missing)
        valid &= ~gone
        numbers = some_unknown(numbers, rng, vary.unknown)
    past = np.where(valid[:, :, None], past, 0.0)
    future = np.where(valid[:, :, None] & known, future, 0.0)
    load = past[:, :, -1]
    rates = np.where(series.servers, 0.0, series.link_rates[now])
    limit = np.where(valid, capacity, 0.0)
    spread = balanced_loads(past[:, :, -_PROCESSED:].mean(-1), rates, limit, allow_excess=True)
    processed = (1.0 - mix) * load + mix * spread
    label = balanced_loads(future.transpose(0, 2, 1), rates[:, None], limit[:, None], allow_excess=True)
    both = valid[:, :, None] & valid[:, None, :] & ~np.eye(count, dtype=bool)
    network = _network(series, now)
    views = (
        np.stack((physical, network, np.broadcast_to(formulas.room(processed, capacity)[:, None], both.shape)), 1)
        * both[:, None]
    )
    edges = np.stack([valid_edges(views[k, 1], valid[k], series.servers, TARGETS) for k in range(b)])
    return Batch(
        past.astype(np.float32),
        capacity.astype(np.float32),
        views.astype(np.float32),
        valid,
        numbers.astype(np.int64),
        edges,
        np.broadcast_to(series.servers, (b, count)),
        (1.0 - views[:, 1]).astype(np.float32),
        load.astype(np.float32),
        future.astype(np.float32),
        label.transpose(0, 2, 1).astype(np.float32),
        known & (valid & ~series.servers)[:, :, None],
    )


def _network(series: LoadSeries, now: np.ndarray) -> np.ndarray:
    """float64 [B, N, N], as samplers of a running cluster work it out."""
    rate = np.minimum(series.link_rates[now][:, :, None], series.down_rates[now][:, None, :])
    return formulas.network(rate, series.crop_bytes[:, None], series.latency_s)


def _reversed(
    rng: np.random.Generator,
    share: float,
    past: np.ndarray,
    future: np.ndarray,
    known: np.ndarray,
    physical: np.ndarray,
    horizon: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Windows of which that ``share`` runs backwards: the last samples of all become the first of the history."""
    back = (rng.random(len(past)) < share)[:, None, None] & known.all(axis=(1, 2), keepdims=True)
    both = np.concatenate((past, future), -1)[:, :, ::-1]
    length = past.shape[-1]
    return (
        np.where(back, both[:, :, :length], past),
        np.where(back, both[:, :, length:], future),
        known,
        np.where(back, physical.transpose(0, 2, 1), physical),
    )
