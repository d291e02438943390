"""The client that runs beside an agent (FCPO, Algorithm 2); on a device it needs NumPy alone (Python 3.8)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from octogym.fed.errors import FedError
from octogym.fed.update import ClientSpec, Reply, Upload, problem_of_arrays

#: The client learns by itself; it has uploaded, and neither learns nor keeps experiences until the reply.
LOCAL, WAITING = "local", "waiting"

#: Why a reply is ignored: it answers no upload that is waited for; or it names no new arrays that would fit.
LATE, DAMAGED = "late", "damaged"


class AgentStack(Protocol):
    """What a client asks of the agents it belongs to (`octogym.agents.onboard`): n agents of equal head sizes."""

    @property
    def sizes(self) -> tuple[int, int, int]:
        """Sizes (R, B, M) of the heads of each agent."""

    def get(self, i: int) -> dict[str, np.ndarray]:
        """Parameters of agent i by name, float32, without the stack's axis."""

    def set(self, i: int, parameters: dict[str, np.ndarray]) -> None:
        """Replace parameters of agent i."""

    def fine_tune(self, agents: Sequence[int]) -> Any:
        """Train the heads of these agents, and nothing else, on the kept experiences of their last episode."""

    def clear(self, agents: Sequence[int]) -> None:
        """Drop the experiences of these agents' running episode."""


@dataclass(frozen=True)
class ClientConfig:
    """How often a client takes part, and how its episodes grow.

    Args:
        fl_every: local updates from one upload to the next.
        steps: first length of an episode; `steps_growth` more after each completed round, up to `steps_max`.
        timeout_ns: how long a client waits for its reply.

    Raises:
        FedError: a value out of range.
    """

    fl_every: int = 2
    steps: int = 100
    steps_growth: int = 10
    steps_max: int = 300
    timeout_ns: int = 30_000_000_000

    def __post_init__(self) -> None:
        for name, least in (("fl_every", 1), ("steps", 1), ("steps_growth", 0), ("timeout_ns", 1)):
            if getattr(self, name) < least:
                raise FedError(f"{name} = {getattr(self, name)!r}: expected {least} or more")
        if self.steps_max < self.steps:
            raise FedError(f"steps_max = {self.steps_max!r}: expected steps ({self.steps}) or more")


class FedClient:
    """Agent `index` of `stack` as a member of a federation.

    It counts local updates; after `fl_every` of them it is `due`: if a round wants it, it uploads and waits, else it
    goes on alone and counts anew (`pass_by`). While it waits (`state` is WAITING) its agent must not learn, and
    what it experiences is discarded. A reply sets the parameters and fine-tunes the heads; without one it goes back to
    local learning after `timeout_ns`, its weights as they were. Times are integer ns of the caller's clock.

    Attributes:
        steps: length of the agent's episodes now.
        ignored: reason (LATE, DAMAGED) -> number of replies ignored.
        timeouts: number of times that no reply came.

    Example:
        >>> client = FedClient("cam-1/traffic.det", "cam-1", stack, 0)
        >>> client.updated(loss, now_ns)                 # at each episode's end
        >>> if client.due:
        ...     send(client.upload(number, now_ns)) if invited else client.pass_by()
        >>> client.receive(reply, now_ns)                # when one comes
        >>> client.tick(now_ns)                          # now and then
    """

    def __init__(
        self, name: str, device: str, stack: AgentStack, index: int = 0, config: ClientConfig | None = None
    ) -> None:
        self.stack, self.index, self.config = stack, index, config or ClientConfig()
        first, second, third = stack.sizes
        shapes = {key: tuple(int(n) for n in array.shape) for key, array in stack.get(index).items()}
        self.spec = ClientSpec(name, device, (int(first), int(second), int(third)), shapes)
        self.state = LOCAL
        self.steps = self.config.steps
        self.updates = 0  # local updates since the last round
        self.loss = 0.0
        self.round = 0  # the round of the last upload
        self.uploaded_ns = 0
        self.since_ns = 0  # of the last update
        self.timeouts = 0
        self.ignored: Counter[str] = Counter()

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def due(self) -> bool:
        """Whether the next round, if one wants it, gets this client's upload now."""
        return self.state == LOCAL and self.updates >= self.config.fl_every

    @property
    def uploads_next(self) -> bool:
        """Whether an upload may follow the next local update, which a loss gate must then let pass."""
        return self.updates + 1 >= self.config.fl_every

    def updated(self, loss: float, now_ns: int) -> None:
        """A local update (gated or not) is done. While waiting it counts for nothing."""
        self.tick(now_ns)
        if self.state == LOCAL:
            self.updates += 1
            self.loss, self.since_ns = float(loss), now_ns

    def expected_ns(self, now_ns: int, period_ns: int) -> int:
        """When the client will be due, if its steps take `period_ns` each and it is learning now."""
        episode = self.steps * period_ns
        first = self.since_ns + (self.config.fl_every - self.updates) * episode
        # Episodes that ended while it waited brought no update.
        return first if first >= now_ns else first + -(-(now_ns - first) // episode) * episode

    def pass_by(self) -> None:
        """No round wants the client: it goes on alone for another `fl_every` updates."""
        if self.state == LOCAL:
            self.updates = 0

    def upload(self, number: int, now_ns: int) -> Upload:
        """The upload for round `number`; from now on the client waits."""
        self.state, self.round, self.uploaded_ns = WAITING, number, now_ns
        parameters = {name: np.array(array, np.float32) for name, array in self.stack.get(self.index).items()}
        return Upload(self.name, self.spec.device, number, self.spec.sizes, self.loss, parameters)

    def receive(self, reply: Reply, now_ns: int, fine_tune: bool = True) -> bool:
        """Take a reply; returns True if it brought new parameters.

        A reply without parameters ends the wait and changes nothing else. One that is late, or whose arrays are not
        this agent's or not finite, is counted in `ignored`, and the wait goes on.

        Args:
            fine_tune: False where the caller fine-tunes several agents of a stack together.
        """
        self.tick(now_ns)
        if self.state != WAITING or reply.round != self.round or reply.client != self.name:
            self.ignored[LATE] += 1
            return False
        if not reply.parameters:
            self._resume()
            return False
        if problem_of_arrays(reply.parameters, self.spec.shapes) is not None:
            self.ignored[DAMAGED] += 1
            return False
        self.stack.set(self.index, {name: np.array(array) for name, array in reply.parameters.items()})
        if fine_tune:
            self.stack.fine_tune([self.index])
        self._resume()
        self.lengthen(reply.completed)
        return True

    def lengthen(self, completed: int) -> None:
        """The server has completed so many rounds: episodes are as long as that asks for.

        Also for those who were not in them, so that all clients keep step.
        """
        self.steps = min(self.config.steps + self.config.steps_growth * completed, self.config.steps_max)

    def tick(self, now_ns: int) -> None:
        """Give up waiting once `timeout_ns` have passed."""
        if self.state == WAITING and now_ns - self.uploaded_ns >= self.config.timeout_ns:
            self.timeouts += 1
            self._resume()

    def _resume(self) -> None:
        self.state, self.updates = LOCAL, 0
        self.stack.clear([self.index])

    def state_dict(self) -> dict[str, Any]:
        """All that changes, as plain values (the agent itself is its stack's)."""
        kept = {key: getattr(self, key) for key in _KEPT}
        return {**kept, "ignored": dict(self.ignored)}

    def load(self, state: Mapping[str, Any]) -> None:
        """Take up a `state_dict` again."""
        for key in _KEPT:
            setattr(self, key, state[key])
        self.ignored = Counter(state["ignored"])


_KEPT = ("state", "steps", "updates", "loss", "round", "uploaded_ns", "since_ns", "timeouts")
