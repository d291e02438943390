"""Room for the daemon on a device: runtime, engines, sources, telemetry and peers; runs on Python 3.8."""
