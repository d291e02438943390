"""Batching and offloading in one environment; `octogym.envs.rack_v0` is what users import."""
