"""The offloading problem of a cluster: who may send what to whom, and what telemetry says about it."""
