"""An iAgent that cannot be made, loaded or fed as asked."""

from __future__ import annotations

from octogym.cluster.errors import OctoGymError


class IAgentError(OctoGymError, ValueError):
    """An argument, array or state that an iAgent cannot work with; says what is allowed. Nothing has been changed."""
