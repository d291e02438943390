"""Action sampling; the functions are the device's own (`octogym.agents.onboard.sampling`)."""

from __future__ import annotations

from octogym.agents.onboard.sampling import HEADS, action_uniforms, inverse_cdf

__all__ = ["HEADS", "action_uniforms", "inverse_cdf"]
