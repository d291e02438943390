"""The trace-driven simulator: request-level, compiled, the same code for one environment and ten thousand."""

from octogym.sim.backend import SimBackend, Snapshot

__all__ = ["SimBackend", "Snapshot"]
