"""Training of OctoCross and of its rivals' forecasters, on series of loads."""

from octogym.train.octocross.forecasters import ForecasterTraining, train_forecaster
from octogym.train.octocross.training import OctoCrossTraining, train_octocross

__all__ = ["ForecasterTraining", "OctoCrossTraining", "train_forecaster", "train_octocross"]
