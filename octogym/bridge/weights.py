"""The host's socket for weights, in a thread of its own with its own ZeroMQ context: nothing here delays control."""

from __future__ import annotations

import re
import threading
import time
from dataclasses import asdict

from octogym.bridge.protocol.bell import Bell
from octogym.bridge.protocol.codec import MAX_MODEL
from octogym.bridge.protocol.keyfile import KeyPair
from octogym.bridge.protocol.weights import HostWeights, Weights
from octogym.bridge.sockets import Admits, HostSockets
from octogym.cluster.errors import OctoGymError

MODEL, _WOKEN = "model", "woken"
#: How often the thread looks whether what waits may go now, and who wants to connect.
_LOOK_MS, _IDLE_MS = 10, 200


class WeightsEnded(OctoGymError, RuntimeError):
    """The thread for weights has ended; its cause is the exception's."""


class WeightsSession:
    """Listens for nodes' weights, then, from `start` on, takes and sends them. Any one thread may send and fetch.

    Args:
        pair: the host's keys; None for plain sockets, on this machine only.
        admits: who may connect; somebody else refreshes it.
        address: to listen on.

    Raises:
        AddressError, OctoGymError: as `HostSockets.listen`.
    """

    def __init__(self, pair: KeyPair | None, admits: Admits, address: str) -> None:
        self._sockets = HostSockets(pair, admits, {MODEL: MAX_MODEL}, bulky=True)
        try:
            self.address = self._sockets.listen(MODEL, address, "weights")
        except BaseException:
            self._sockets.close()
            raise
        self._weights: HostWeights | None = None
        self._bell = Bell()
        self._stop = False
        self._problem: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="octogym-weights", daemon=True)

    @property
    def port(self) -> int:
        """The port that nodes are told of."""
        found = re.search(r":(\d+)\Z", self.address)
        assert found is not None
        return int(found[1])

    def start(self, weights: HostWeights) -> None:
        """Begin, with the machine's half of the protocol."""
        self._weights = weights
        self._thread.start()

    def send(self, weights: Weights) -> bool:
        """To the node that runs `weights.instance`. Returns at once; False if too much waits (128 MiB): not taken.

        They go no faster than a node takes them (16 MiB, then 2 MiB/s) and may get lost with the connection: whoever
        needs an answer asks again.

        Raises:
            ProtocolError: another kind, more than 16 MiB, or arrays of another dtype.
            ValueError: no node runs this instance.
            WeightsEnded: the backend is closed, or the thread has failed.
        """
        done = self._half().send(weights)
        self._bell.ring()
        return done

    def fetch(self) -> list[tuple[str, Weights]]:
        """What nodes have sent since the last call, as (device, weights); returns at once.

        Of each kind and instance the latest, 64 MiB a device at most. Arrays are read-only. A device sends for its own
        instances alone.

        Raises:
            WeightsEnded: the backend is closed, or the thread has failed.
        """
        return self._half().fetch()

    def turned_away(self) -> dict[str, int]:
        """What was refused since the start, by reason (sockets) and rule (protocol), and what of ours was given up."""
        half, door = self._half(), asdict(self._sockets.door)
        del door["unreachable"]  # what waits is tried again and again
        return {**door, **half.refused, "given_up": half.outgoing.given_up}

    def close(self) -> None:
        """Stop the thread and close the socket; what waits is forgotten."""
        if self._stop:
            return
        self._stop = True
        if self._thread.ident is None:
            self._sockets.close()
        else:
            self._bell.ring()
            self._thread.join()
        self._bell.close()

    # --- the thread -------------------------------------------------------------------------------------------------

    def _half(self) -> HostWeights:
        if self._problem is not None:
            raise WeightsEnded("the thread for weights has ended") from self._problem
        if self._weights is None or self._stop:
            raise WeightsEnded("weights are not taken now")
        return self._weights

    def _run(self) -> None:
        sockets, weights = self._sockets, self._weights
        assert weights is not None
        try:
            sockets.watch(self._bell.descriptor, _WOKEN)
            waits = False
            while not self._stop:
                if _WOKEN in sockets.wait(_LOOK_MS if waits else _IDLE_MS):
                    self._bell.quiet()
                sockets.answer_door(time.monotonic_ns())
                sockets.lost()
                while not self._stop and (message := sockets.receive(MODEL)) is not None:
                    weights.receive(time.monotonic_ns(), *message)
                waits = weights.flush(time.monotonic_ns(), self._hand_over)
        except BaseException as error:  # whoever sends or fetches must hear of it
            self._problem = error
        finally:
            sockets.close()

    def _hand_over(self, key: bytes, frames: list[bytes]) -> bool:
        return self._sockets.send(MODEL, key, frames)
