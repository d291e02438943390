"""Checks that third parties run on their own scenarios, policies, backends and nodes.

Every check raises `BrokenRule`, whose first line is one of the rules in `octogym.testing.rules`.
"""

from octogym.testing.backend import check_backend
from octogym.testing.mixins import BackendMixin, ParallelEnvMixin
from octogym.testing.parallel_env import check_parallel_env
from octogym.testing.policy import check_policy
from octogym.testing.rules import BrokenRule
from octogym.testing.scenario import check_scenario

__all__ = [
    "BackendMixin",
    "BrokenRule",
    "ParallelEnvMixin",
    "check_backend",
    "check_parallel_env",
    "check_policy",
    "check_scenario",
]
