"""The vocabulary: devices, links, pipelines, profiles, traces, scenarios, decisions and telemetry."""
