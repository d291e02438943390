"""Training of FCPO in the simulator: continual agents, federated or alone."""

from octogym.train.fcpo.training import FcpoTraining, train_fcpo

__all__ = ["FcpoTraining", "train_fcpo"]
