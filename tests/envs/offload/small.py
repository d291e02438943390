"""Three boards with cameras that swing one after the other, and a server with two instances of the second stage."""

from __future__ import annotations

import json
from pathlib import Path

from octogym.cluster.registry import load_scenario
from octogym.cluster.scenario import Scenario

HORIZON = 40
TEXT = """
description = "three boards and a hub"
slo_ms = 200
horizon_s = 40
drop = "none"
traces = ["file:counts.json?rate_hz=1"]

[device_types.board]
cores = 8
fixed_ms = 2.0
peak_tflops = 1.0
max_batch = 8
[device_types.big]
cores = 8
fixed_ms = 1.0
peak_tflops = 2.0
max_batch = 8
[device_types.box]
cores = 16
gpus = 2
fixed_ms = 1.0
peak_tflops = 2.0
max_batch = 8

[devices]
a = { type = "board" }
b = { type = "board" }
c = { type = "big" }
hub = { type = "box", role = "server" }

[models.detector]
gflop = 1.0
max_batch = 8
pre_ms = 0.5
post_ms = 0.2
[models.face]
gflop = 3.0
max_batch = 8
pre_ms = 0.5
post_ms = 0.2

[pipelines.gate.stages.detector]
to.face = { class = "person" }
[pipelines.gate.stages.face]

[cameras]
a = { device = "a", pipeline = "gate", fps = 10, series = "counts/a" }
b = { device = "b", pipeline = "gate", fps = 10, series = "counts/b" }
c = { device = "c", pipeline = "gate", fps = 10, series = "counts/c" }

[placement.detectors]
devices = ["a", "b", "c"]
stages = "gate.detector"
[placement.second]
devices = ["a", "b", "c"]
stages = "gate.face"
initial = { batch = 4, timeout_ms = 50 }
[placement.hub]
devices = "hub"
stages = "gate.face"
replicas = 2
initial = { batch = 4, timeout_ms = 50 }

[routes.offload]
from = ["a/*", "b/*", "c/*"]
to = "*/gate.face*"

[programme]
offset = "none"
"""
CHURN = """
[programme.churn]
devices = ["b"]
present_s = [6, 12]
absent_s = [9, 14]
"""


def write(folder: Path, churn: bool = False) -> Path:
    """The file, its traces beside it."""
    swing = {
        "a": [4] * 5 + [60] * 8 + [4] * 12 + [50] * 15 + [4] * 60,
        "b": [5] * 15 + [55] * 8 + [5] * 77,
        "c": [6, 8] * 50,
    }
    (folder / "counts.json").write_text(json.dumps({name: {"person": row} for name, row in swing.items()}))
    file = folder / ("churn.toml" if churn else "small.toml")
    file.write_text(TEXT + CHURN * churn)
    return file


def small(folder: Path, churn: bool = False) -> Scenario:
    return load_scenario(write(folder, churn), split="all")
