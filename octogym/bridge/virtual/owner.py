"""What runs a host machine, as `BridgeBackend` and an environment's loop do together."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from octogym.bridge.protocol.deployment import Deployment
from octogym.bridge.protocol.host import HostMachine
from octogym.bridge.virtual.faults import SECOND


class Owner:
    """What runs the host: resets, starts, and steps once per window, as `BridgeBackend` does.

    Args:
        host: just begun.
        now: the host's clock.
        deployments: by device.
        think_ns: time that the policy takes in each window.
    """

    def __init__(
        self,
        host: HostMachine,
        now: int,
        deployments: Mapping[str, Deployment],
        think_ns: Callable[[], int] = lambda: 0,
    ) -> None:
        self._think = think_ns
        self.window, self._acts = -1, True
        host.deploy(now, deployments)
        #: When `wake` is to be called, on the host's clock.
        self.wake_ns = now + 2 * SECOND

    def wake(self, host: HostMachine, now: int) -> None:
        """Start the episode, or decide, or collect."""
        if self.window < 0:
            self.window = host.start(now) - 1  # who is not ready by now joins later
            self._acts = False
        elif self._acts:
            # A policy that took longer than a window decides for the one that it is in by then.
            self.window = max(self.window, host.window(now))
            sent = self.decide(host, now, self.window)
            self.sent(self.window, sent)
            self._acts = False
        else:
            self.collected(host, now, self.window)
            self.window, self._acts = self.window + 1, True
            self.wake_ns = now + self._think()
            return
        self.wake_ns = host.collect_at(self.window)

    def decide(self, host: HostMachine, now: int, window: int) -> tuple[str, ...]:
        """Decide for `window`. Returns the devices that were told."""
        raise NotImplementedError

    def sent(self, window: int, devices: tuple[str, ...]) -> None:
        """After `decide`."""

    def collected(self, host: HostMachine, now: int, window: int) -> None:
        """`window` is over: `host.collect(now, window)` is due."""
        raise NotImplementedError
