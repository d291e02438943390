"""Device types, devices and profiles of a checked document."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any, Dict, List, Optional, Sequence, Tuple

from octogym.cluster.loading.document import Document, Path_, choices
from octogym.cluster.topology import Device, DeviceType, Profile


def nanoseconds(milliseconds: float) -> int:
    return max(0, round(milliseconds * 1_000_000))


def match(document: Document, path: Path_, patterns: Sequence[str], names: Sequence[str], what: str) -> List[str]:
    """The names that match one of the patterns, in their own order; a pattern that matches none is an error."""
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise document.error(path, pattern, choices(pattern, names, f"a pattern that matches {what}:"))
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]


def refer(document: Document, path: Path_, name: str, table: Any) -> str:
    """`name`, which must stand in `table`."""
    if name not in table:
        raise document.error(path, name, choices(name, table))
    return name


def device_types(data: Dict[str, Any]) -> Dict[str, DeviceType]:
    fields = ("cores", "gpus", "lanes", "memory_mb", "power_idle_w", "power_max_w", "thread_actions", "provenance")
    return {
        name: DeviceType(name, **{key: entry[key] for key in fields}) for name, entry in data["device_types"].items()
    }


def devices(document: Document, data: Dict[str, Any], types: Dict[str, DeviceType]) -> Dict[str, Tuple[Device, str]]:
    """Device id -> the device and the entry of the file that made it."""
    found: Dict[str, Tuple[Device, str]] = {}
    for name, entry in data["devices"].items():
        path = ("devices", name)
        kind = types[refer(document, (*path, "type"), entry["type"], types)]
        count = entry["count"]
        ids = [name] if count is None else [f"{name}{k + 1}" for k in range(count)]
        for id_ in ids:
            if id_ in found:
                raise document.error(path, id_, f"a device id that devices.{found[id_][1]} does not make already")
            found[id_] = (Device(id_, kind, entry["role"]), name)
    return found


class Profiles:
    """The profile of a model (variant) on a device type: from the file where given, else by the formula
    fixed_ms + frames x gflop / (peak_tflops x efficiency)."""

    def __init__(self, document: Document, data: Dict[str, Any]) -> None:
        self._document, self._data = document, data
        self._known: Dict[Tuple[str, str, Optional[str]], Profile] = {}
        models = data["models"]
        names = [*models, *(f"{m}@{v}" for m, entry in models.items() for v in entry["variants"])]
        for kind, entries in data["profiles"].items():
            refer(document, ("profiles", kind), kind, data["device_types"])
            for name in entries:
                refer(document, ("profiles", kind, name), name, names)
                self._written(kind, name)

    def find(self, kind: str, model: str, variant: Optional[str], path: Path_) -> Profile:
        """`path`: where the combination is asked for, for the message when there is no profile for it."""
        key = (kind, model, variant)
        if key not in self._known:
            name = model if variant is None else f"{model}@{variant}"
            if name in self._data["profiles"].get(kind, {}):
                self._known[key] = self._written(kind, name)
            else:
                self._known[key] = self._formula(kind, model, variant, path)
        return self._known[key]

    def _written(self, kind: str, name: str) -> Profile:
        path = ("profiles", kind, name)
        entry = self._data["profiles"][kind][name]
        error = self._document.error
        if (entry["infer_ms"] is None) == (entry["fixed_ms"] is None):
            given = {key: entry[key] for key in ("infer_ms", "fixed_ms")}
            raise error((*path, "infer_ms"), given, "either infer_ms, or fixed_ms with per_frame_ms and max_batch")
        if entry["infer_ms"] is not None:
            infer = entry["infer_ms"]
            for key in ("per_frame_ms", "max_batch"):
                if entry[key] is not None:
                    raise error((*path, key), entry[key], "left out where infer_ms is given")
        else:
            for key in ("per_frame_ms", "max_batch"):
                if entry[key] is None:
                    raise error((*path, key), None, "this key must be given with fixed_ms")
            infer = [entry["fixed_ms"] + entry["per_frame_ms"] * b for b in range(1, entry["max_batch"] + 1)]
        for b in range(1, len(infer)):
            if infer[b] < infer[b - 1]:
                raise error(
                    (*path, "infer_ms"),
                    infer,
                    f"times that do not fall with the batch ({b + 1} frames are faster than {b})",
                )
        provenance = entry["provenance"]
        if entry["measured"]:
            for key in ("by", "date", "engine", "power_mode"):
                if not entry[key]:
                    raise error((*path, key), entry[key], "who or what measured it, since measured = true")
            provenance = (
                f"measured by {entry['by']} on {entry['date']}, {entry['engine']}, {entry['power_mode']}. {provenance}"
            )
        elif not provenance:
            raise error((*path, "provenance"), provenance, "the source or the formula of these figures")
        return Profile(
            name.partition("@")[0],
            kind,
            tuple(max(1, nanoseconds(time)) for time in infer),
            max(1, nanoseconds(entry["pre_ms"])),
            max(1, nanoseconds(entry["post_ms"])),
            entry["memory_mb"],
            entry["measured"],
            provenance,
        )

    def _formula(self, kind: str, model: str, variant: Optional[str], path: Path_) -> Profile:
        device, entry = self._data["device_types"][kind], self._data["models"][model]
        own = entry["variants"][variant] if variant else {}
        gflop = own.get("gflop") or entry["gflop"]
        name = model if variant is None else f"{model}@{variant}"
        needs = {
            f"device_types.{kind}.fixed_ms": device["fixed_ms"],
            f"device_types.{kind}.peak_tflops": device["peak_tflops"],
            f"models.{model}.gflop": gflop,
            f"models.{model}.pre_ms": entry["pre_ms"],
            f"models.{model}.post_ms": entry["post_ms"],
        }
        missing = [key for key, value in needs.items() if value is None]
        if missing:
            raise self._document.error(
                path,
                f"{name} on {kind}",
                f"a combination with profiles.{kind}.{name}, or {', '.join(missing)} for the formula",
            )
        rate = device["peak_tflops"] * device["efficiency"]  # GFLOP per ms
        largest = min(device["max_batch"], entry["max_batch"])
        scale = device["pre_post_scale"]
        return Profile(
            model,
            kind,
            tuple(max(1, nanoseconds(device["fixed_ms"] + b * gflop / rate)) for b in range(1, largest + 1)),
            max(1, nanoseconds(entry["pre_ms"] * scale)),
            max(1, nanoseconds(entry["post_ms"] * scale)),
            entry["memory_mb"],
            False,
            f"synthetic, not measured: {device['fixed_ms']:g} ms + frames x {gflop:g} GFLOP / "
            f"({device['efficiency']:g} x {device['peak_tflops']:g} TFLOPS)",
        )
