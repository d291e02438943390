"""A decision as it arrives at a node, checked."""

from __future__ import annotations

from typing import Dict

import numpy as np
from msgspec import Raw

from octogym.bridge.protocol.deployment import Deployment
from octogym.bridge.protocol.errors import ProtocolError
from octogym.bridge.protocol.rows import SETTINGS, DecisionRows, act_layout
from octogym.bridge.protocol.tables import decode_tables, expect, unpack
from octogym.cluster.settings import DEADLINE, KEEP, KEEP_SHARE, MAX_THREADS


class DecisionReader:
    """Takes decisions of one deployment out of an Act's tables."""

    def __init__(self, deployment: Deployment) -> None:
        self._layout = act_layout(deployment)
        self._ids = [spec.id for spec in deployment.instances]
        most = [[1, spec.max_pack, spec.max_batch, MAX_THREADS, MAX_THREADS] for spec in deployment.instances]
        self._most = np.array(most, np.int64).reshape(-1, len(SETTINGS)).T
        self._least = np.array([[0], [1], [1], [1], [1]], np.int64)
        names: Dict[int, int] = {}
        self._group = np.array([names.setdefault(spec.group, len(names)) for spec in deployment.routes], np.intp)
        self._size = np.bincount(self._group, minlength=len(names))

    def read(self, tables: Raw, payload: bytes) -> DecisionRows:
        """The decision, as views of `payload`.

        Raises:
            ProtocolError: a table is missing or misshapen (rules "table", "bytes"), or a value is out of range (rule
                "field").
        """
        arrays = unpack(decode_tables(tables), payload)
        expect(arrays, self._layout)
        rows = DecisionRows(*[arrays[name] for name in self._layout])
        value = rows.settings
        bad = ((value < self._least) | (value > self._most)) & (value != KEEP)
        if bad.any():
            k, s = (int(x[0]) for x in np.nonzero(bad))
            allowed = f"-1, or {self._least[k, 0]} to {self._most[k, s]}"
            raise ProtocolError("field", f"{self._ids[s]}: {SETTINGS[k]} = {value[k, s]}; allowed: {allowed}")
        if (rows.timeout_ns < DEADLINE).any():
            s = int(np.argmin(rows.timeout_ns))
            raise ProtocolError("field", f"{self._ids[s]}: timeout_ns = {rows.timeout_ns[s]}; allowed: -2 or more")
        kept = rows.share_milli == KEEP_SHARE
        if kept.all():
            return rows
        keeps = np.bincount(self._group, kept, len(self._size))
        sums = np.bincount(self._group, np.where(kept, 0, rows.share_milli), len(self._size))
        wrong = (keeps != self._size) & ((keeps != 0) | (sums != 1000))
        if wrong.any():
            total = int(sums[int(np.argmax(wrong))])
            raise ProtocolError("field", f"shares of a group sum to {total}; allowed: 1000, or {KEEP_SHARE} for each")
        return rows
