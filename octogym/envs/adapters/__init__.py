"""Adapters of the environments, one file per ecosystem."""
