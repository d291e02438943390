"""Instances of a checked document: which stages run on which devices, and how they are set."""

from __future__ import annotations

from typing import Any, Dict, List, Tuple

from octogym.cluster.loading.document import Document, Path_, choices
from octogym.cluster.loading.hardware import Profiles, match, nanoseconds
from octogym.cluster.loading.software import Pipelines
from octogym.cluster.settings import DEADLINE, Settings
from octogym.cluster.topology import Device, Instance


def instances(
    document: Document, data: Dict[str, Any], devices: List[Device], pipelines: Pipelines, profiles: Profiles
) -> List[Instance]:
    """In order of device, stage, variant as placed, replica."""
    ids = [device.id for device in devices]
    stage_of = pipelines.index()
    placed: Dict[Tuple[int, int, str], Tuple[str, int]] = {}
    variants: Dict[str, int] = {"": 0}
    for name, entry in data["placement"].items():
        path = ("placement", name)
        variant = entry["variant"] or ""
        variants.setdefault(variant, len(variants))
        for stage_name in match(document, (*path, "stages"), entry["stages"], list(stage_of), "a stage"):
            stage = stage_of[stage_name]
            model = pipelines.stages[stage].model
            known = data["models"][model]["variants"]
            if variant and variant not in known:
                raise document.error((*path, "variant"), variant, choices(variant, known, f"a variant of {model}:"))
            for id_ in match(document, (*path, "devices"), entry["devices"], ids, "a device"):
                key = (ids.index(id_), stage, variant)
                if key in placed:
                    other = placed[key][0]
                    raise document.error(
                        path, f"{id_}/{stage_name}", f"an instance that placement.{other} does not place already"
                    )
                placed[key] = (name, variants[variant])
    first_gpu = [sum(d.type.gpus for d in devices[:k]) for k in range(len(devices))]
    found: List[Instance] = []
    turn: Dict[int, int] = {}
    for (device, stage, variant), (name, _) in sorted(
        placed.items(), key=lambda item: (item[0][0], item[0][1], item[1][1])
    ):
        entry = data["placement"][name]
        for replica in range(entry["replicas"]):
            gpu = _gpu(document, name, entry, devices[device], replica, turn.setdefault(device, 0))
            turn[device] += 1
            found.append(
                _instance(
                    document,
                    data,
                    name,
                    devices[device],
                    device,
                    first_gpu[device] + gpu,
                    stage,
                    variant,
                    replica,
                    pipelines,
                    profiles,
                )
            )
    return found


def _gpu(document: Document, name: str, entry: Dict[str, Any], device: Device, replica: int, turn: int) -> int:
    wanted = entry["gpu"]
    if wanted is None:
        return turn % device.type.gpus
    gpu = int(wanted[replica % len(wanted)])
    if gpu >= device.type.gpus:
        raise document.error(("placement", name, "gpu"), gpu, f"a GPU of {device.id}: 0 to {device.type.gpus - 1}")
    return gpu


def _instance(
    document: Document,
    data: Dict[str, Any],
    name: str,
    device: Device,
    device_index: int,
    gpu: int,
    stage: int,
    variant: str,
    replica: int,
    pipelines: Pipelines,
    profiles: Profiles,
) -> Instance:
    entry, path = data["placement"][name], ("placement", name)
    model = pipelines.stages[stage].model
    own = data["models"][model]
    profile = profiles.find(device.type.name, model, variant or None, path)
    limit_pack = min(pipelines.stages[stage].max_pack, data["device_types"][device.type.name]["max_pack"])
    suffix = (f"@{variant}" if variant else "") + (f"#{replica}" if replica else "")
    id_ = f"{device.id}/{pipelines.stages[stage].name}{suffix}"
    safe = {key: entry["initial"][key] if value is None else value for key, value in entry["safe"].items()}
    return Instance(
        id_,
        device_index,
        gpu,
        stage,
        profile,
        own["variants"][variant]["recall"] if variant else own["recall"],
        limit_pack,
        profile.max_batch,
        device.type.thread_actions,
        _settings(document, (*path, "initial"), entry["initial"], id_, limit_pack, profile.max_batch),
        _settings(document, (*path, "safe"), safe, id_, limit_pack, profile.max_batch),
        entry["active"],
        entry["agent"],
    )


def _settings(
    document: Document, path: Path_, entry: Dict[str, Any], id_: str, max_pack: int, max_batch: int
) -> Settings:
    for key, limit, of in (("pack", max_pack, "packing limit"), ("batch", max_batch, "largest batch in the profile")):
        if entry[key] > limit:
            raise document.error((*path, key), entry[key], f"at most {limit}, the {of} of {id_}")
    timeout = entry["timeout_ms"]
    timeout_ns = DEADLINE if timeout == "deadline" else nanoseconds(timeout)
    return Settings(entry["pack"], entry["batch"], entry["pre"], entry["post"], timeout_ns)
