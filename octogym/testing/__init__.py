"""Checks that third parties run on their own scenarios, policies, backends and nodes."""
