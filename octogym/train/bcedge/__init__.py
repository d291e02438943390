"""Training of BCEdge, offline as published."""

from octogym.train.bcedge.training import BCEdgeConfig, train_bcedge

__all__ = ["BCEdgeConfig", "train_bcedge"]
