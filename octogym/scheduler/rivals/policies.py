"""The policies of the rivals that learn, from their checkpoints."""

from __future__ import annotations

from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.octocross.edges import TARGETS
from octogym.scheduler.offload.policy import OffloadPolicy
from octogym.scheduler.policy import words
from octogym.scheduler.rivals.decider import Decision, RivalDecider
from octogym.scheduler.rivals.file import read_rival


class RivalPolicy(OffloadPolicy):
    """`OffloadPolicy` around a rival's checkpoint.

    Args:
        method: its name, also of the policy.
        decision: what decides on the forecast.
        argument: `FILE[,shares]`; `shares`: instance settings are left to another policy.
        targets: edges per node at most, servers not counted; None: all.

    Raises:
        SchedulerError: no file, or another word.
        TensorFileError: a file that cannot be used.
    """

    def __init__(self, method: str, decision: Decision, argument: str | None, targets: int | None = TARGETS) -> None:
        file, _, rest = (argument or "").partition(",")
        if not file:
            raise SchedulerError(
                f"policy {method} needs a checkpoint, {method}:FILE[,shares]; octogym train {method} leaves one"
            )
        chosen = words(method, rest, ("shares",))
        found = read_rival(file, method)
        self.file = found
        super().__init__(
            RivalDecider(found.model, found.ids, decision, found.nodes),
            settings="shares" not in chosen,
            history=found.model.config.history,
            targets=targets,
            correlate=method == "temp-abl",
        )
