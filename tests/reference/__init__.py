"""An event-list simulator written from docs/contract.md alone, to hold `octogym.sim` against request by request."""

from tests.reference.simulator import ReferenceSim

__all__ = ["ReferenceSim"]
