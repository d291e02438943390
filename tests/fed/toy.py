"""A stack of toy agents with the surface that a federation uses, and what goes with it."""

from __future__ import annotations

import numpy as np

from octogym.fed.client import ClientConfig, FedClient
from octogym.fed.update import ClientSpec, Upload

SECOND = 1_000_000_000


def toy_parameters(sizes, seed):
    """Named float32 arrays: a small backbone, a value head, and heads whose widths follow from sizes (R, B, M)."""
    r, b, m = sizes
    rng = np.random.default_rng(seed)
    shapes = {
        "backbone.w1": (3, 4),
        "backbone.gain": (4,),
        "value.w": (4, 1),
        "resolution.w": (4, r),
        "batch.w": (4 + r, b),
        "batch.b": (b,),
        "threads.w": (4 + r, m),
    }
    return {name: rng.standard_normal(shape, np.float32) for name, shape in shapes.items()}


class ToyStack:
    """Agents whose fine-tuning adds 1/1024 to every head; remembers the calls."""

    def __init__(self, sizes=(2, 8, 2), n=1, seed=0):
        self.sizes, self.calls = sizes, []
        self.agents = [toy_parameters(sizes, seed + i) for i in range(n)]

    def get(self, i):
        return {name: array.copy() for name, array in self.agents[i].items()}

    def set(self, i, parameters):
        self.calls.append(("set", i))
        self.agents[i].update({name: array.copy() for name, array in parameters.items()})

    def fine_tune(self, agents):
        self.calls.append(("fine_tune", tuple(agents)))
        for i in agents:
            for name, array in self.agents[i].items():
                if not name.startswith(("backbone", "value")):
                    array += np.float32(1 / 1024)

    def clear(self, agents):
        self.calls.append(("clear", tuple(agents)))

    def learn(self, i, step):
        """A local update: every array moves by an amount that depends on agent and step. Returns a loss."""
        for array in self.agents[i].values():
            array += np.float32(np.sin(1 + i + 3 * step) / 16)
        return float(np.cos(i + step))


def toy_client(name="a", device="d", sizes=(2, 8, 2), seed=0, **config):
    return FedClient(name, device, ToyStack(sizes, 1, seed), 0, ClientConfig(**config))


def toy_spec(name, device="d", sizes=(2, 8, 2)):
    shapes = {key: array.shape for key, array in toy_parameters(sizes, 0).items()}
    return ClientSpec(name, device, sizes, shapes)


def toy_upload(name, number=1, seed=0, loss=1.0, device="d", sizes=(2, 8, 2), **changed):
    return Upload(name, device, number, sizes, loss, {**toy_parameters(sizes, seed), **changed})


def same(one, other):
    """Whether two dicts of arrays are equal to the bit."""
    return set(one) == set(other) and all(
        one[k].dtype == other[k].dtype and one[k].tobytes() == other[k].tobytes() for k in one
    )
