"""Scenario files: TOML, checked, to a Scenario (docs/scenarios.md)."""

from octogym.cluster.loading.load import load_scenario

__all__ = ["load_scenario"]
