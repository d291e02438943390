"""FCPO's iAgent: decides every window, learns every episode, in NumPy alone. Agents of equal sizes form a stack."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Callable, Dict, Mapping, Optional, Sequence, Tuple, Union

import numpy as np

from octogym.agents.onboard.adamw import AdamW
from octogym.agents.onboard.config import IAgentConfig
from octogym.agents.onboard.episodes import Episodes
from octogym.agents.onboard.errors import IAgentError
from octogym.agents.onboard.layout import STATE, Layout
from octogym.agents.onboard.loss import Batch, Loss, Losses
from octogym.agents.onboard.network import Network
from octogym.agents.onboard.sampling import inverse_cdf, inverse_cdf_of_one
from octogym.agents.onboard.state import check_arrays, named, read

#: Indices of different agents of a stack; None means all.
Agents = Union[Sequence[int], np.ndarray, None]
#: Computes a gradient, float32 [m, size], when it is called.
Gradient = Callable[[], np.ndarray]

#: An element of a gradient is below this, or refused.
GREATEST_GRADIENT = 1e15


@dataclass(frozen=True)
class EpisodeReport:
    """What one update did, an entry per agent; losses are those before the (first) gradient step."""

    agents: np.ndarray  # intp [m]
    loss: np.ndarray  # float64 [m]
    policy_loss: np.ndarray  # float64 [m]
    value_loss: np.ndarray  # float64 [m]
    penalty: np.ndarray  # float64 [m]
    entropy: np.ndarray  # float64 [m]: sum over heads, nats
    reward: np.ndarray  # float64 [m]: mean over all rewards of the episode, kept or not; NaN if there was none
    experiences: np.ndarray  # int64 [m]: kept, over all rows
    skipped: np.ndarray  # bool [m]: no gradient step, by the loss gate or for want of experiences


class IAgentStack:
    """n iAgents of equal action sizes, each with K rows (parallel environments that share its weights).

    The order of calls in a window is that of the published agent: `reward` for the last action, `decide`, and at the
    end of an episode `learn`. The action that is then still without its reward is forgotten, and the reward that comes
    for it is not counted: an episode of n windows yields n - 1 experiences. What the buffer leaves out of an episode is
    as if it had not been: discounting goes from one kept experience to the next.

    Args:
        sizes: (R, B, M), sizes of the resolution, batch and threads heads.
        n: agents. rows: K.
        config: constants.
        seeds: one for each agent's initial weights.
        learning: False keeps neither experiences nor moments; `reward` is then ignored.

    `parameters`: name -> float32 [n, ...], the parameters themselves, not copies.

    Raises:
        IAgentError: from every method, on arrays that do not fit or are not finite; the agents are then as before,
            except that a refused `decide` leaves no action to reward, and a refused update an ended episode.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        n: int,
        rows: int,
        config: Optional[IAgentConfig] = None,
        seeds: Sequence[int] = (0,),
        learning: bool = True,
    ) -> None:
        if n < 1 or rows < 1 or len(seeds) != n:
            raise IAgentError(
                f"a stack of n = {n}, rows = {rows} and {len(seeds)} seeds: expected at least 1, at least 1, n seeds"
            )
        self.config = config if config is not None else IAgentConfig()
        self.layout = Layout(sizes, self.config.variant)
        self.sizes, self.n, self.rows, self.learning = self.layout.sizes, n, rows, learning
        self._flat = np.stack([self.layout.initial(seed) for seed in seeds])
        self.parameters = self.layout.views(self._flat)
        self._blocks = self.layout.blocks(self._flat)
        self._network = Network(self.layout, self._blocks, rows)
        self._shapes = ((n, rows, STATE), (n, rows, 3))
        self._single = n == rows == 1
        self._heads = tuple((at, at + width) for at, width in zip(self.layout.offsets, self.layout.heads))
        if learning:
            self._begin_learning()

    def _begin_learning(self) -> None:
        self._loss = Loss(self.config, self.layout)
        self._adamw = AdamW(self.layout, self.n, self.config)
        self._episodes = Episodes(self.layout, self.n, self.rows, self.config, self._network)

    # ------------------------------------------------------------------------------------------------------- deciding

    def decide(self, observation: np.ndarray, u: np.ndarray) -> np.ndarray:
        """Sample actions: int64 [n, K, 3], indices of resolution, batch and threads.

        Args: `observation` float [n, K, 8]; `u` float64 [n, K, 3] in [0, 1), one draw per head (a joint head uses the
        first).
        """
        if (observation.shape, u.shape) != self._shapes:
            raise IAgentError(
                f"observation and u: shapes {observation.shape} and {u.shape}, expected {self._shapes[0]} and "
                f"{self._shapes[1]}"
            )
        self._infer(observation)
        value = self._network.value
        # Whatever is not finite on the way in reaches the value.
        if not math.isfinite(value.item() if self._single else value.sum()):
            if self.learning:
                self._episodes.forget_decision()
            raise IAgentError("observation or parameters hold a value that is not finite")
        actions = self._sample(self._network.p, u)
        if self.learning:
            self._episodes.remember(actions)
        return actions

    def _infer(self, observation: np.ndarray) -> None:
        self._network.forward(observation)

    def _sample(self, p: np.ndarray, u: np.ndarray) -> np.ndarray:
        if self._single:
            chances, draws = p[0, 0].tolist(), u[0, 0].tolist()
            one = [inverse_cdf_of_one(chances[at:end], u_) for (at, end), u_ in zip(self._heads, draws)]
            indices = np.array([[one]], np.int64)
        else:
            parts = [inverse_cdf(p[..., at:end], u[..., k]) for k, (at, end) in enumerate(self._heads)]
            indices = np.stack(parts, -1)
        return self.layout.actions(indices)

    # ------------------------------------------------------------------------------------------------------- learning

    def reward(self, r: np.ndarray, valid: np.ndarray) -> None:
        """The rewards r float [n, K] of the last actions; where `valid` bool [n, K] is false the experience is dropped.

        Agents that have just learned have no action that waits for a reward: what comes for them is not counted.
        """
        if self.learning:
            self._episodes.reward(r, valid)

    def learn(self, agents: Agents = None, force: bool = False) -> EpisodeReport:
        """End the episode of `agents`: one update on what they have kept, then empty buffers.

        `force` passes the loss gate (for the update before an upload).
        """
        chosen = self._chosen(agents)
        experiences, reward = self._episodes.end(chosen)
        skipped = experiences == 0
        losses = Losses(*np.zeros((len(Losses._fields), len(chosen))))
        if not skipped.all():
            batch = self._episodes.batch(chosen)
            losses, gradient = self._evaluate(chosen, batch)
            if not force:
                skipped = skipped | (np.abs(losses.total) < self.config.gate)
            taken = ~skipped
            for epoch in range(self.config.epochs if taken.any() else 0):
                if epoch:
                    _, gradient = self._evaluate(chosen, batch)
                self._adamw.step(self._flat, gradient()[taken], chosen[taken])
        return EpisodeReport(chosen, *losses, reward, experiences, skipped)

    def fine_tune(self, agents: Agents = None) -> np.ndarray:
        """Steps of the action heads alone on the policy loss of the last learned episode (Algorithm 2), after `set`.

        Agents without such an episode stay as they are. Returns the policy loss before the steps, float64 [m], NaN for
        those.
        """
        chosen = self._chosen(agents)
        has = self._episodes.last_experiences(chosen) > 0
        loss, tuned = np.full(len(chosen), np.nan), chosen[has]
        if not len(tuned):
            return loss
        batch = self._episodes.batch(tuned)
        for step in range(self.config.fine_tune_steps):
            losses, gradient = self._evaluate(tuned, batch, policy_only=True)
            if step == 0:
                loss[has] = losses.policy
            self._adamw.step(self._flat, gradient(), tuned, self.layout.head_names)
        return loss

    def _evaluate(self, agents: np.ndarray, batch: Batch, policy_only: bool = False) -> Tuple[Losses, Gradient]:
        """Losses of agents [m], and what computes the gradient float32 [m, size] if it is wanted."""
        layout, limit = self.layout, self.config.max_grad_norm
        every = len(agents) == self.n and (agents == np.arange(self.n)).all()
        blocks = self._blocks if every else layout.blocks(self._flat[agents])
        network = Network(layout, blocks, batch.state.shape[1])
        network.forward(batch.state)
        losses, grad_p, grad_value = self._loss.of(network.p, network.value, batch, policy_only)

        def gradient() -> np.ndarray:
            grad: np.ndarray = np.zeros((len(agents), layout.size), np.float32)
            network.backward(grad_p, grad_value, layout.blocks(grad))
            if policy_only:
                for name, view in layout.views(grad).items():
                    if name not in layout.head_names:
                        view[...] = 0
            if limit is not None:
                norm = np.sqrt(np.add.reduce(grad * grad, -1, np.float64, keepdims=True))
                grad *= np.minimum(limit / (norm + 1e-6), 1).astype(np.float32)
            # Beyond it the moments overflow.
            if not (np.abs(grad) < GREATEST_GRADIENT).all():
                raise IAgentError("the gradient is not finite or too large; no step has been made")
            return grad

        return losses, gradient

    def clear(self, agents: Agents = None) -> None:
        """Forget the running episode of `agents`: kept experiences, rewards, the action that waits."""
        self._episodes.clear(self._chosen(agents))

    @property
    def experiences(self) -> np.ndarray:
        """int64 [n, K]: experiences kept in the running episode."""
        self._chosen(None)
        return self._episodes.buffer.count.reshape(self.n, self.rows).copy()

    def _chosen(self, agents: Agents) -> np.ndarray:
        """intp [m]: different agents of a stack that learns."""
        if not self.learning:
            raise IAgentError("this stack only decides; make it with learning=True")
        chosen = np.arange(self.n) if agents is None else np.asarray(agents, np.intp).reshape(-1)
        if len(chosen) and (chosen.min() < 0 or chosen.max() >= self.n or len(np.unique(chosen)) != len(chosen)):
            raise IAgentError(f"agents {chosen.tolist()}: expected different indices from 0 to {self.n - 1}")
        return chosen

    # -------------------------------------------------------------------------------------- parameters and full state

    def get(self, i: int) -> Dict[str, np.ndarray]:
        """Name -> float32 array of agent i, copies without the axis of agents."""
        return {name: array[i].copy() for name, array in self.parameters.items()}

    def set(self, i: int, arrays: Mapping[str, Any]) -> None:
        """Replace named arrays of agent i, all or some; the optimiser's moments of these start anew."""
        checked = check_arrays(arrays, self.layout.shapes)
        for name, array in checked.items():
            self.parameters[name][i] = array
        if self.learning:
            self._adamw.forget(i, tuple(checked))

    def state_dict(self) -> Dict[str, np.ndarray]:
        """Everything as name -> array (copies): parameters and moments by their names, buffers, counters."""
        return named(self._saved(), self.layout)

    def load(self, state: Mapping[str, Any]) -> None:
        """Take over a `state_dict` of a stack of the same sizes, agents, rows and configuration; goes on bit by bit.

        A stack that only decides takes the parameters and leaves the rest.
        """
        saved = self._saved()
        found = read(state, saved, self.layout, exact=self.learning)
        if self.learning:
            problem = self._adamw.problem(found) or self._episodes.problem(found)
            if problem is not None:
                raise IAgentError(f"state {problem}")
        for name, array in found.items():
            saved[name][...] = array
        if self.learning:
            self._episodes.buffer.loaded()

    def _saved(self) -> Dict[str, np.ndarray]:
        """Every array that makes up the state, the very objects."""
        arrays = {"parameters": self._flat}
        if self.learning:
            arrays.update(self._adamw.arrays())
            arrays.update(self._episodes.arrays())
        return arrays
