"""A policy that cannot be made or used as asked."""

from octogym.cluster.errors import OctoGymError


class PolicyError(OctoGymError, ValueError):
    """An argument, file or cluster that the policy cannot work with; says what is allowed."""
