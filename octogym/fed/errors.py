"""Errors of the federation's own caller; what a client sends wrongly is refused and counted, never raised."""

from __future__ import annotations

from octogym.cluster.errors import OctoGymError


class FedError(OctoGymError, ValueError):
    """A federation put together or called wrongly."""


class WireError(OctoGymError, ValueError):
    """Bytes that are no message of a round, or one beyond the limits."""
