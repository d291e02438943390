"""FCPO (Liang et al.; docs/fcpo.md): one small continually learning agent per instance, in stacks for a cluster."""

from octogym.agents.fcpo.policy import FcpoPlusPolicy, FcpoPolicy

__all__ = ["FcpoPlusPolicy", "FcpoPolicy"]
