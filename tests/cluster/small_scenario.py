"""A small valid scenario file that tests write, change and damage."""

from __future__ import annotations

import json
from pathlib import Path

VALID = """
description = "two nodes and a hub"
slo_ms = 200
horizon_s = 60
traces = ["file:counts.json?rate_hz=10", "file:rates.csv"]

[splits.train]
part = [0.0, 0.7]
[splits.test]
part = [0.7, 1.0]

[device_types.board]
cores = 4
fixed_ms = 3.0
peak_tflops = 1.0
max_pack = 2
max_batch = 8
pre_post_scale = 3.0
[device_types.box]
cores = 16
gpus = 2
lanes = 4
thread_actions = 4

[devices.node]
type = "board"
count = 2
uplink = "rates"
[devices.hub]
type = "box"
role = "server"

[models.detector]
gflop = 4.0
max_pack = 4
max_batch = 16
pre_ms = 1.0
post_ms = 0.5
[models.plate]
gflop = 1.0
pre_ms = 0.5
post_ms = 0.2
[models.plate.variants.small]
recall = 0.9
gflop = 0.5
[models.read]
queues = [100, 10, 100, 10, 100]

[profiles.box.plate]
infer_ms = [1.0, 1.5, 2.0, 2.5]
pre_ms = 0.5
post_ms = 0.2
measured = true
by = "octogym profile"
date = "2025-11-01"
engine = "TensorRT 8.5 FP32"
power_mode = "350 W"
[profiles.box.read]
fixed_ms = 1.0
per_frame_ms = 0.25
max_batch = 32
pre_ms = 0.5
post_ms = 0.2
provenance = "a guess"

[pipelines.gate.stages.detector.to]
plate = { class = "car" }
[pipelines.gate.stages.plate]
children = [0.25, 0.5, 0.25]
to.read = { crop_bytes = 2000 }
[pipelines.gate.stages.read]

[cameras.west]
device = "node1"
pipeline = "gate"
fps = 10
series = "counts/west"
scenes = ["counts/west", "counts/east"]
[cameras.east]
device = "node2"
pipeline = "gate"
fps = 10
series = "counts/east"

[placement.edge]
devices = "node*"
stages = ["gate.detector", "gate.plate"]
initial = { batch = 2, timeout_ms = 40 }
[placement.hub]
devices = "hub"
stages = "gate.plate"
replicas = 2
[placement.reader]
devices = "hub"
stages = "gate.read"

[routes.offload]
from = "node*/gate.detector"
to = ["{device}/gate.plate", "hub/gate.plate*"]
share_milli = [700, 300]

[programme.switches]
dwell_s = [10, 20]
factor = [0.5, 2.0]
"""


def write(folder: Path, text: str = VALID) -> Path:
    """The file with its traces beside it: 100 s of counts at 10 a second, 100 s of rates."""
    counts = {
        "west": {"car": [k % 5 for k in range(1000)], "person": [1] * 1000},
        "east": {"car": [k % 3 for k in range(1000)], "person": [0] * 1000},
        "yard": {"person": [2] * 1000},
    }
    (folder / "counts.json").write_text(json.dumps(counts))
    rows = "".join(f"{k},{20000 + 100 * k}\n" for k in range(100))
    (folder / "rates.csv").write_text("second,kbit_per_s\n" + rows)
    file = folder / "gate.toml"
    file.write_text(text)
    return file
