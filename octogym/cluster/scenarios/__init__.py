"""The scenarios that ship with OctoGym: each `*.toml` here is one (docs/scenarios.md)."""
