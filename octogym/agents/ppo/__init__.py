"""What PPO trained: a policy per instance (IPPO, MAPPO), and one that hands work on (MAPPO over offloading)."""

from octogym.agents.ppo.offload_policy import MappoOffloadPolicy
from octogym.agents.ppo.policy import PpoPolicy

__all__ = ["MappoOffloadPolicy", "PpoPolicy"]
