"""The iAgent that decides and learns on the device in NumPy alone, and safe decisions; Python 3.8."""

from __future__ import annotations

from octogym.agents.onboard.config import IAgentConfig
from octogym.agents.onboard.errors import IAgentError
from octogym.agents.onboard.iagent import EpisodeReport, IAgentStack

__all__ = ["EpisodeReport", "IAgentConfig", "IAgentError", "IAgentStack"]
