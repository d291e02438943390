"""The world in which BCEdge is trained offline: a device type's profiles, and nothing of the load."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from octogym.agents.bcedge import network
from octogym.cluster.topology import Cluster, Profile
from octogym.train.settings import SettingError

#: Jitter of the SLO and noise of the latency, seconds, either way (published code).
SLO_JITTER_S, NOISE_S = 5e-6, 250e-6
#: No latency is below this, seconds (published code: 0.1 microseconds are added).
LEAST_LATENCY_S = 1e-7
#: Rewards are clipped to this and divided by it.
CLIP = 25.0


class World:
    """The models that a device type runs in a scenario, each with the SLO of its pipeline.

    A step: a model is drawn at random, its SLO jittered; for the agent's choice the profile says how long a request
    takes and how many are served. `concurrency` instances share the GPU as batches do in the simulator (n in service
    each progress at 10 / (n (n + 9))). The latency leaves out what the profile does not know, above all the wait for a
    batch to fill; that is what BCEdge cannot see.

    Args:
        kind: the device type's name.
        models: every model's input, in the order of their numbers.
        throughput: "images" (batch x concurrency / latency) or "batches" (1 / latency, as the published code has it).
    """

    def __init__(
        self, cluster: Cluster, kind: str, models: Mapping[str, tuple[int, int, int]], throughput: str
    ) -> None:
        found: dict[tuple[Profile, int], None] = {}
        for s, instance in enumerate(cluster.instances):
            if cluster.devices[instance.device].type.name == kind:
                found[instance.profile, cluster.instance_slo_ns(s)] = None
        profiles = [profile for profile, _ in found]
        memory_mb = next(d.type.memory_mb for d in cluster.devices if d.type.name == kind)
        self.slo_s = np.array([slo for _, slo in found]) / 1e9
        self.states = network.states(models, tuple(p.model for p in profiles), self.slo_s)
        self._limit = np.array([p.max_batch for p in profiles])
        sizes = tuple(network.BRANCHES.values())[:2]
        self._latency_s = np.zeros((len(profiles), *sizes))
        self._images = np.zeros_like(self._latency_s)
        self._memory = np.zeros_like(self._latency_s)
        for m, profile in enumerate(profiles):
            batch = np.minimum(np.arange(1, sizes[0] + 1), profile.max_batch)[:, None]
            together = np.arange(1, sizes[1] + 1)
            infer = np.array(profile.infer_ns)[batch - 1] * (together * (together + 9) / 10)
            self._latency_s[m] = (profile.pre_ns + infer + profile.post_ns) / 1e9
            self._images[m] = batch * together if throughput == "images" else 1.0
            # As a share of the device's memory; what is not known counts as fitting.
            known = profile.memory_mb > 0 and memory_mb > 0
            self._memory[m] = profile.memory_mb * together / memory_mb if known else 1.0

    def draw(self, count: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Which model, int [count], and the states, float32 [count, 5]."""
        model = generator.integers(len(self.states), size=count)
        state = self.states[model].copy()
        state[:, -1] += generator.uniform(-SLO_JITTER_S, SLO_JITTER_S, count)
        return model, state

    def reward(self, model: np.ndarray, state: np.ndarray, action: np.ndarray, noise_s: np.ndarray) -> np.ndarray:
        """float32 [count], in [-1, 1], of actions int [count, 3]: ln(throughput / (latency / SLO)) within SLO and
        memory, else exp(-latency x memory), clipped to +-25 and divided by 25; seconds, requests/s, share of memory."""
        at = (model, action[:, 0], action[:, 1])
        latency = np.maximum(self._latency_s[at] + noise_s, LEAST_LATENCY_S)
        memory, slo = self._memory[at], state[:, -1].astype(np.float64)
        good = np.log(self._images[at] / latency * slo / latency)
        reward = np.where((latency <= slo) & (memory <= 1), good, np.exp(-latency * memory))
        return (np.clip(reward, -CLIP, CLIP) / CLIP).astype(np.float32)


def models_of(cluster: Cluster, more: Mapping[str, tuple[int, int, int]]) -> dict[str, tuple[int, int, int]]:
    """Every known model and its input, in the order of their numbers.

    Raises:
        SettingError: the cluster has a model whose input is not known.
    """
    known = {name: tuple(size) for name, size in sorted({**network.INPUTS, **more}.items())}
    for name, size in known.items():
        if len(size) != 3 or not all(isinstance(n, int) and n > 0 for n in size):
            raise SettingError(f"inputs[{name!r}]", size, "channels, height and width, whole numbers from 1")
    for stage in cluster.stages:
        if stage.model not in known:
            raise SettingError("inputs", sorted(more), f"also {stage.model}: (channels, height, width)")
    return {name: (c, h, w) for name, (c, h, w) in known.items()}
