"""Registers the environments with Gymnasium and PettingZoo. Light: loads neither the simulator nor its compiler."""

from __future__ import annotations

import gymnasium
import pettingzoo

#: Gymnasium id -> (entry point, vector entry point).
GYMNASIUM = {
    "octogym/Batching-v0": ("octogym.envs.single_agent:BatchingEnv", "octogym.envs.vector:BatchingVectorEnv"),
    "octogym/BatchingCentral-v0": (
        "octogym.envs.single_agent:BatchingCentralEnv",
        "octogym.envs.vector:BatchingCentralVectorEnv",
    ),
    "octogym/OffloadCentral-v0": (
        "octogym.envs.offload.central:OffloadCentralEnv",
        "octogym.envs.offload.vector:OffloadVectorEnv",
    ),
}
#: PettingZoo id -> module with `parallel_env` and `env`.
PETTINGZOO = {
    "octogym/batching_v0": "octogym.envs.batching_v0",
    "octogym/offload_v0": "octogym.envs.offload_v0",
    "octogym/rack_v0": "octogym.envs.rack_v0",
}


def register() -> None:
    """Make the ids known; calling it again changes nothing."""
    for name, (entry_point, vector_entry_point) in GYMNASIUM.items():
        if name not in gymnasium.registry:
            gymnasium.register(id=name, entry_point=entry_point, vector_entry_point=vector_entry_point)
    if hasattr(pettingzoo, "register"):  # from 1.27
        for name, module in PETTINGZOO.items():
            # The registry keeps the name with "-v0".
            if pettingzoo.EnvSpec(name).id not in pettingzoo.parallel_registry:
                pettingzoo.register("parallel", name, entry_point=f"{module}:parallel_env")
                pettingzoo.register("aec", name, entry_point=f"{module}:env")
