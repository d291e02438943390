"""Training by PPO: IPPO and MAPPO on batching, MAPPO on offloading."""

from octogym.train.ppo.offload_training import OffloadPpoConfig, train_offload_ppo
from octogym.train.ppo.training import PpoConfig, train_ppo

__all__ = ["OffloadPpoConfig", "PpoConfig", "train_offload_ppo", "train_ppo"]
