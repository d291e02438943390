"""What a scenario file may contain: every key with type, unit, default and allowed values (docs/scenarios.md)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Dict, Optional, Tuple

from octogym.cluster.settings import MAX_PACK, MAX_THREADS, THREAD_ACTIONS


class _Required:
    def __repr__(self) -> str:
        return "required"


REQUIRED = _Required()


@dataclass(frozen=True)
class Key:
    """One plain value. Kinds: string, strings (a list, or one), boolean, integer, integers, number, numbers, range (two
    numbers in order, or one for both), batching (milliseconds or "deadline"). Bounds hold for each number; `above`
    excludes itself. `size` = the length that a list must have. `default` None = none."""

    kind: str
    default: Any = None
    doc: str = ""
    unit: str = ""
    low: Optional[float] = None
    high: Optional[float] = None
    above: Optional[float] = None
    allowed: Tuple[str, ...] = ()
    size: Optional[int] = None


@dataclass(frozen=True)
class Table:
    """A table with the given keys. `optional`: None where it does not stand in the file, instead of its defaults."""

    keys: Dict[str, Any]
    doc: str = ""
    optional: bool = False


@dataclass(frozen=True)
class Named:
    """A table of entries whose names the user chooses. `required`: at least one."""

    entry: Any
    doc: str = ""
    required: bool = False
    names: str = "plain"  # plain: letters, digits, - _ .; free: anything


SETTINGS = {
    "pack": Key("integer", 1, "images per frame", low=1, high=MAX_PACK),
    "batch": Key("integer", 1, "frames per batch, up to the profile's largest", low=1),
    "pre": Key("integer", 1, "pre-processing threads", low=1, high=MAX_THREADS),
    "post": Key("integer", 1, "post-processing threads", low=1, high=MAX_THREADS),
    "timeout_ms": Key("batching", 0, 'longest wait of the oldest image; 0 = none, or "deadline"', "ms", low=0),
}
SAFE = {name: replace(key, default=None) for name, key in SETTINGS.items()}

DEVICE_TYPE = {
    "cores": Key("integer", REQUIRED, "CPU cores", low=1, high=1024),
    "gpus": Key("integer", 1, "GPUs", low=1, high=64),
    "lanes": Key("integer", 1, "batches in service at once per GPU", low=1, high=8),
    "memory_mb": Key("number", 0.0, "memory for models; 0 = not known", "MB", low=0),
    "power_idle_w": Key("number", 0.0, "0 = not known", "W", low=0),
    "power_max_w": Key("number", 0.0, "0 = not known", "W", low=0),
    "thread_actions": Key(
        "integer",
        2,
        "thread actions of its agents, from (1, 1) (2, 1) (1, 2) (2, 2) on",
        low=1,
        high=len(THREAD_ACTIONS),
    ),
    "max_pack": Key("integer", MAX_PACK, "images per frame at most", low=1, high=MAX_PACK),
    "max_batch": Key("integer", 64, "frames per batch at most, for formula profiles", low=1, high=1024),
    "fixed_ms": Key("number", None, "formula: time of a batch before its first frame", "ms", low=0),
    "peak_tflops": Key("number", None, "formula: peak FP32 rate of one GPU", "TFLOPS", above=0),
    "efficiency": Key("number", 0.5, "formula: reached share of the peak", above=0, high=1),
    "pre_post_scale": Key("number", 1.0, "formula: factor on the models' `pre_ms` and `post_ms`", above=0),
    "provenance": Key("string", "", "where these figures come from"),
}

VARIANT = {
    "recall": Key("number", REQUIRED, "share of objects that it finds", above=0, high=1),
    "gflop": Key("number", None, "default: the model's", "GFLOP per frame", above=0),
}

MODEL = {
    "queues": Key("integers", [100] * 5, "capacities of Q1 to Q5", low=1, high=1_000_000, size=5),
    "max_pack": Key("integer", 1, "images per frame at most", low=1, high=MAX_PACK),
    "max_batch": Key("integer", 64, "frames per batch at most, for formula profiles", low=1, high=1024),
    "recall": Key("number", 1.0, "share of objects that it finds", above=0, high=1),
    "gflop": Key("number", None, "formula: work of one frame", "GFLOP", above=0),
    "pre_ms": Key("number", None, "formula: pre-processing of an image at scale 1", "ms", above=0),
    "post_ms": Key("number", None, "formula: post-processing of an image at scale 1", "ms", above=0),
    "memory_mb": Key("number", 0.0, "0 = not known", "MB", low=0),
    "variants": Named(Table(VARIANT), "other versions of the model, placed with `variant`"),
}

PROFILE = {
    "infer_ms": Key("numbers", None, "time of a batch of 1, 2, ... frames", "ms", above=0),
    "fixed_ms": Key("number", None, "instead of `infer_ms`: time of a batch before its first frame", "ms", low=0),
    "per_frame_ms": Key("number", None, "with `fixed_ms`: time of each frame", "ms", above=0),
    "max_batch": Key("integer", None, "with `fixed_ms`: largest batch", low=1, high=1024),
    "pre_ms": Key("number", REQUIRED, "pre-processing of an image by one thread", "ms", above=0),
    "post_ms": Key("number", REQUIRED, "post-processing of an image by one thread", "ms", above=0),
    "memory_mb": Key("number", 0.0, "0 = not known", "MB", low=0),
    "measured": Key("boolean", False, "false = synthetic; reports say so"),
    "provenance": Key("string", "", "in words: the source or the formula"),
    "by": Key("string", "", "measured: by what program"),
    "date": Key("string", "", "measured: when"),
    "engine": Key("string", "", "measured: engine and precision"),
    "power_mode": Key("string", "", "measured: the device's power mode"),
}

EDGE = {
    "class": Key("string", None, "from the first stage: class of objects that takes this edge"),
    "crop_bytes": Key(
        "integer", None, "size of a crop on a link; default 6000 from the first stage, else 3000", "bytes", low=1
    ),
}

STAGE = {
    "children": Key(
        "numbers", None, "probabilities of 0, 1, 2, ... crops per request; not for the first stage", low=0, high=1
    ),
    "to": Named(Table(EDGE), "next stages; each takes every crop (of its class)"),
}

PIPELINE = {
    "slo_ms": Key("number", None, "frame to result; default: the top-level `slo_ms`", "ms", above=0),
    "frame_bytes": Key("integer", 150_000, "size of a frame on a link", "bytes", low=1),
    "stages": Named(Table(STAGE), "its stages, each named as its model", required=True),
}

DEVICE = {
    "type": Key("string", REQUIRED, "a device type"),
    "role": Key("string", "camera", "what it is there for", allowed=("camera", "server")),
    "count": Key("integer", None, "makes so many devices, named with 1, 2, ... appended", low=1, high=10_000),
    "uplink": Key("strings", [], "rate series (patterns); the episode draws one; none = 1 Gbit/s"),
    "downlink": Key("strings", [], "the same for the downlink"),
    "availability": Key("string", None, "availability series; none = always there"),
}

CAMERA = {
    "device": Key("string", REQUIRED, "where it is attached"),
    "pipeline": Key("string", REQUIRED, "which pipeline takes its frames"),
    "fps": Key("number", 15.0, "frames per second", "1/s", low=0.1, high=240),
    "series": Key("string", REQUIRED, "count series"),
    "load": Key("number", 1.0, "factor on its objects, on top of the programme's", low=0, high=100),
    "scenes": Key("strings", [], "count series (patterns) that scene switches draw from; none = `series` alone"),
}

PLACEMENT = {
    "devices": Key("strings", REQUIRED, "device ids (patterns)"),
    "stages": Key("strings", REQUIRED, "`pipeline.stage` (patterns)"),
    "variant": Key("string", None, "a variant of the model"),
    "replicas": Key("integer", 1, "instances of each", low=1, high=64),
    "gpu": Key("integers", None, "GPU of each replica, from 0; default: round robin over the device's", low=0),
    "active": Key("boolean", True, "takes requests from the start"),
    "agent": Key("boolean", False, "has an onboard agent (docs/contract.md, validity)"),
    "initial": Table(SETTINGS, "settings at the start"),
    "safe": Table(SAFE, "settings when decisions stop coming; what is left out is as in `initial`"),
}

ROUTE = {
    "from": Key("strings", REQUIRED, "sources: instance or camera ids (patterns)"),
    "to": Key("strings", REQUIRED, "targets: instance ids (patterns; {device} = the source's device)"),
    "share_milli": Key("integers", None, "share of each entry of `to`, thousandths; default: local", low=0, high=1000),
}

PROGRAMME = {
    "offset": Key(
        "string",
        "independent",
        "where each camera's series begins: drawn per camera, one draw for all, or at 0",
        allowed=("independent", "common", "none"),
    ),
    "load": Key("range", [1.0, 1.0], "factor on all cameras' objects, drawn per episode", low=0, high=100),
    "factor": Key("range", [1.0, 1.0], "the same, drawn per camera", low=0, high=100),
    "bandwidth": Key("range", [1.0, 1.0], "factor on all links with a series, drawn per episode", low=0, high=100),
    "link_offset": Key("boolean", True, "rate series begin at a drawn time, else at 0"),
    "switches": Table(
        {
            "dwell_s": Key("range", REQUIRED, "length of a scene", "s", low=0.1),
            "factor": Key("range", [1.0, 1.0], "factor on the objects of a scene", low=0, high=100),
            "cameras": Key("strings", ["*"], "which cameras (patterns)"),
        },
        "each camera on its own changes its scene: a series of `scenes`, another begin, another factor",
        optional=True,
    ),
    "crowds": Table(
        {
            "count": Key("integer", 1, "crowds; the cameras are dealt out to them in turn", low=1, high=1000),
            "dwell_s": Key("range", REQUIRED, "how long a crowd stays at a camera", "s", low=0.1),
            "factor": Key("range", REQUIRED, "factor on the objects where it is", low=0, high=100),
            "cameras": Key("strings", ["*"], "which cameras (patterns)"),
        },
        "crowds that move: each is at one of its cameras at a time, so that a site's load is steadier than a camera's",
        optional=True,
    ),
    "day": Table(
        {
            "low": Key("number", 0.3, "smallest factor", low=0, high=100),
            "high": Key("number", 2.5, "largest factor", low=0, high=100),
            "period_s": Key("number", REQUIRED, "length of a day", "s", above=0),
            "step_s": Key("number", 5.0, "the curve is constant for so long", "s", low=0.1),
            "common": Key("boolean", True, "one phase for all cameras, else each its own"),
        },
        "day curve: factor from `low` to `high` and back, a raised cosine",
        optional=True,
    ),
    "streams": Table(
        {
            "on_s": Key("range", REQUIRED, "how long a stream stays", "s", low=0.1),
            "off_s": Key("range", REQUIRED, "how long it is away", "s", low=0.1),
            "cameras": Key("strings", ["*"], "which cameras (patterns)"),
        },
        "streams that come and go",
        optional=True,
    ),
    "outages": Table(
        {
            "gap_s": Key("range", REQUIRED, "time between outages", "s", low=0.1),
            "length_s": Key("range", REQUIRED, "length of an outage", "s", low=0.1),
            "factor": Key("number", 0.0, "factor on the rate in an outage", low=0, high=1),
            "after_s": Key("range", [0.0, 0.0], "length of the time after it with `after_factor`", "s", low=0),
            "after_factor": Key("number", 1.0, "factor on the rate after it", low=0, high=100),
            "devices": Key("strings", ["*"], "whose links (patterns), of those with a series"),
        },
        "outages of the links; what queued meanwhile arrives as a burst",
        optional=True,
    ),
    "churn": Table(
        {
            "present_s": Key("range", REQUIRED, "how long a device stays", "s", low=1),
            "absent_s": Key("range", REQUIRED, "how long it is away", "s", low=1),
            "devices": Key("strings", REQUIRED, "which devices (patterns)"),
        },
        "devices that leave and return, at whole periods",
        optional=True,
    ),
}

SIMULATOR = {
    "contention": Key("boolean", True, "batches and threads slow each other down"),
    "pause_ms": Key("number", 1.0, "rest after each batch", "ms", low=0),
    "spread": Key("string", "tijdeman", "rule that spreads requests over routes", allowed=("tijdeman", "wrr")),
    "delay_steps": Key("integer", 0, "windows by which decisions are late", low=0, high=1),
    "exponential_pre": Key("boolean", False, "exponential pre-processing times (tests)"),
    "exponential_infer": Key("boolean", False, "exponential inference times (tests)"),
    "exponential_post": Key("boolean", False, "exponential post-processing times (tests)"),
    "poisson_arrivals": Key("boolean", False, "frames at exponential gaps (tests)"),
}

SPLIT = {
    "part": Key("range", REQUIRED, "part of every series, as shares of its length", low=0, high=1),
    "horizon_s": Key("integer", None, "default: the top-level `horizon_s`", "s", low=1),
}

SCENARIO = Table(
    {
        "name": Key("string", None, "default: the file's name"),
        "description": Key("string", "", "one line"),
        "slo_ms": Key("number", None, "frame to result, for pipelines without their own", "ms", above=0),
        "period_s": Key("number", 1.0, "control window", "s", low=0.05, high=60),
        "horizon_s": Key("integer", 600, "length of an episode, and the longest that is ranked", "s", low=1),
        "drop": Key("string", "lazy", "late requests: dropped on arrival, or never", allowed=("lazy", "none")),
        "link_latency_ms": Key("number", 5.0, "from uplink to downlink", "ms", low=0),
        "settings_validity": Key("integer", 3, "decisions until kept settings fall to the safe ones", low=1),
        "share_validity": Key("integer", 30, "decisions until kept shares fall to local", low=1),
        "traces": Key(
            "strings", ["auto"], "sets of series: auto (real where found, else synthetic), real, synthetic, file:PATH"
        ),
        "trace_seed": Key("integer", 0, "seed of the synthetic traces", low=0),
        "end": Key("string", "loop", "a series past its end", allowed=("loop", "unavailable", "error")),
        "ranked": Key("boolean", False, "refuses a horizon longer than the traces"),
        "split": Key("string", "train", "which of `splits` is loaded"),
        "splits": Named(Table(SPLIT), "parts of the traces; `train` and `test` must not overlap"),
        "device_types": Named(Table(DEVICE_TYPE), "kinds of devices", required=True),
        "devices": Named(Table(DEVICE), "devices, in the order of all arrays", required=True),
        "models": Named(Table(MODEL), "models", required=True),
        "profiles": Named(Named(Table(PROFILE), names="free"), "profiles.DEVICE_TYPE.MODEL, or MODEL@VARIANT"),
        "pipelines": Named(Table(PIPELINE), "pipelines", required=True),
        "cameras": Named(Table(CAMERA), "cameras, in the order of all arrays", required=True),
        "placement": Named(Table(PLACEMENT), "which instances exist", required=True),
        "routes": Named(Table(ROUTE), "targets beyond the local ones"),
        "programme": Table(PROGRAMME, "how an episode's workload is drawn from its seed"),
        "simulator": Table(SIMULATOR, "options of the simulated runtime; the defaults are the contract's"),
    }
)
