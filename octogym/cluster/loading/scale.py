"""The generated scenarios `scale-N`: N instances, for speed and scaling."""

from __future__ import annotations

from typing import Any, Dict

from octogym.cluster.loading.document import SHIPPED


def scale_document(agents: int) -> Dict[str, Any]:
    """The document of `scale-N`.

    N // 2 devices, each with a detector and a second stage, a camera of 30 frames/s, about 9 objects a frame: about 30
    requests/s at the detector, 270 at the second stage, 150 a second and agent on average. An odd N adds a device
    with a detector alone, whose crops the second stages of the others share; `scale-1` is one detector.
    """
    pairs, odd = divmod(agents, 2)
    count = pairs + odd
    width = len(str(count))
    ids = [f"node-{k + 1:0{width}d}" for k in range(count)]
    second = {"to": {"platedet": {"class": "car"}}} if pairs else {}
    stages: Dict[str, Any] = {"yolov5n": second}
    if pairs:
        stages["platedet"] = {}
    placement: Dict[str, Any] = {"detectors": {"devices": ids, "stages": "scale.yolov5n"}}
    data: Dict[str, Any] = {
        "include": [SHIPPED + "profiles/devices.toml", SHIPPED + "profiles/models.toml"],
        "description": f"{agents} agents on {count} devices, about 150 requests/s each",
        "slo_ms": 250,
        "share_validity": 1_000_000,
        "splits": {"train": {"part": [0.0, 0.7]}, "test": {"part": [0.7, 1.0]}},
        "devices": {id_: {"type": "agx-orin"} for id_ in ids},
        "pipelines": {"scale": {"stages": stages}},
        "cameras": {
            f"camera-{k + 1:0{width}d}": {"device": id_, "pipeline": "scale", "fps": 30, "series": "fcpo/traffic4"}
            for k, id_ in enumerate(ids)
        },
        "placement": placement,
        "programme": {"factor": [0.9, 1.2]},
    }
    if pairs:
        placement["second"] = {"devices": ids[:pairs], "stages": "scale.platedet", "initial": {"batch": 4}}
    if odd and pairs:
        data["routes"] = {"spare": {"from": f"{ids[-1]}/scale.yolov5n", "to": "*/scale.platedet"}}
    return data
