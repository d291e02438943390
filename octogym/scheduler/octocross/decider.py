"""OctoCross as what decides in the scheduling loop: model, projection, shares."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from octogym.cluster.offloading.layout import OffloadLayout
from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.octocross.config import OctoCrossConfig
from octogym.scheduler.octocross.ids import SERVER, DeviceIds
from octogym.scheduler.octocross.inference import Inference
from octogym.scheduler.octocross.projection import expected_load
from octogym.scheduler.octocross.rule import PUBLISHED, Rule, shares_by_rule
from octogym.scheduler.offload.collected import Recent, Site
from octogym.scheduler.offload.finetune import Request, Trial
from octogym.scheduler.offload.sample import Sample

#: Of a training in the background (OctoCross section 3.3: 1000 "epochs", which are steps).
TUNING_STEPS = 1000


class OctoCrossDecider:
    """A trained model and a rule. Every environment may come to have weights of its own (`adopt`); all begin with the
    same ones in every run.

    Args:
        config: sizes of the model.
        weights: its parameters by name.
        ids: rows of its positional table.
        rule: how scores become shares.
        tuning_steps: of a training in the background.

    Raises:
        SchedulerError: a parameter is missing.
    """

    def __init__(
        self,
        config: OctoCrossConfig,
        weights: Mapping[str, np.ndarray],
        ids: DeviceIds,
        rule: Rule = PUBLISHED,
        tuning_steps: int = TUNING_STEPS,
    ) -> None:
        self.config, self.ids, self.rule, self.tuning_steps = config, ids, rule, tuning_steps
        self._weights = dict(weights)
        self._model = Inference(config, weights)
        self._own: dict[int, tuple[dict[str, np.ndarray], DeviceIds, Inference]] = {}

    def reset(self, layout: OffloadLayout, num_envs: int, seed: int) -> None:
        """What environments had of their own is forgotten."""
        self._own.clear()

    def decide(self, sample: Sample, e: int) -> np.ndarray:
        _, ids, model = self._own.get(e, ({}, self.ids, self._model))
        numbers = np.where(sample.servers, SERVER, ids.of(sample.names))
        history = sample.history[:, -self.config.history :]
        seen = model(history, sample.capacity, sample.views, sample.valid, numbers)
        load = expected_load(np.where(sample.valid, sample.load, 0.0), seen.forecast.astype(np.float64))
        capacity = np.where(sample.valid, sample.capacity, 0.0)
        where = (sample.edges, sample.routes, sample.valid, sample.servers)
        return shares_by_rule(seen.scores, load, capacity, *where, self.rule)

    def adopt(self, e: int, learned: tuple[dict[str, np.ndarray], DeviceIds]) -> None:
        """From the next decision on environment `e` decides by these weights and device numbers, as a whole."""
        weights, ids = learned
        self._own[e] = (weights, ids, Inference(self.config, weights))

    def forget(self, e: int) -> None:
        """Environment `e` goes back to the weights that all begin with."""
        self._own.pop(e, None)

    def tune(self, e: int, request: Request, site: Site, recent: Recent, seed: int, stop: Callable[[], bool]) -> Trial:
        """See `octogym.scheduler.offload.finetune.Tunable`.

        Raises:
            MissingExtra: torch is not installed.
        """
        from octogym.scheduler.octocross.tuning import tune

        weights, ids, _ = self._own.get(e, (self._weights, self.ids, self._model))
        return tune(self.config, weights, ids, request, site, recent, seed, self.tuning_steps, stop)

    def state_dict(self) -> dict[str, np.ndarray]:
        """The weights that all environments begin with."""
        return {name: array.copy() for name, array in self._weights.items()}

    def load(self, state: dict[str, np.ndarray]) -> None:
        """ValueError if it is not of this model."""
        for name, array in self._weights.items():
            if name not in state or np.shape(state[name]) != array.shape:
                raise ValueError(f"OctoCross: {name}: expected an array of shape {array.shape}")
        foreign = sorted(set(state) - set(self._weights))
        if foreign:
            raise ValueError(f"OctoCross: {', '.join(foreign[:8])}: not among its parameters")
        try:
            self._model = Inference(self.config, state)
        except SchedulerError as error:
            raise ValueError(str(error)) from None
        self._weights = {name: np.array(state[name], np.float32) for name in self._weights}
        self._own.clear()
