"""BCEdge, a rival of FCPO that learns offline (docs/fcpo.md)."""

from octogym.agents.bcedge.policy import BCEdgePolicy

__all__ = ["BCEdgePolicy"]
