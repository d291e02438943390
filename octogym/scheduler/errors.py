"""A scheduler that cannot be made or used as asked."""

from octogym.cluster.errors import OctoGymError


class SchedulerError(OctoGymError, ValueError):
    """An argument that a cluster policy cannot work with; says what is allowed."""
