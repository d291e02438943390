"""No offloading: every device works on its own crops."""

from __future__ import annotations

from octogym.scheduler.offload.decider import LocalDecider
from octogym.scheduler.offload.policy import OffloadPolicy
from octogym.scheduler.policy import words


class NonePolicy(OffloadPolicy):
    """The rival without offloading (OctoCross section 5.1).

    Args:
        argument: `shares`: instance settings are left to another policy.

    Raises:
        SchedulerError: another word.
    """

    def __init__(self, argument: str | None = None) -> None:
        super().__init__(LocalDecider(), settings="shares" not in words("none", argument, ("shares",)), correlate=False)
