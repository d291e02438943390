"""Figures that were measured before, from the same code, policies and workloads."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import octogym

#: Rooms whose code decides what is measured, and folders there that have no part in a study.
ROOMS = ("cluster", "sim", "agents", "scheduler")
APART = {"fcpo": ("octocross", "offload", "offloading", "rivals"), "octocross": ()}


def folder(study: str) -> Path:
    """Where checkpoints and figures of a study are kept from one benchmark to the next; not committed."""
    return Path("runs") / f"benchmarks-{study}"


def once(out: Path, train: Callable[[], bool]) -> None:
    """Train into ``out`` unless that was done; ``train`` says whether it was interrupted, and is then asked again the
    next time."""
    done = out / "finished"
    if done.exists():
        return
    if train():
        raise KeyboardInterrupt
    done.touch()


def kept(
    what: Mapping[str, Any],
    names: Sequence[str],
    more: Mapping[str, Any],
    make: Callable[[], dict[str, list[float]]],
    study: str = "fcpo",
) -> dict[str, list[float]]:
    """The figures of policies `names` (checkpoints by their content), made and kept if they are not there."""
    said = {**what, **more, "names": [_with_content(name) for name in names], "code": _code(study)}
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:20]
    file = folder(study) / "figures" / f"{digest}.json"
    if file.exists():
        return dict(json.loads(file.read_text(encoding="utf-8")))
    found = make()
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_text(json.dumps(found), encoding="utf-8")
    part.replace(file)
    return found


def _with_content(name: str) -> str:
    head, colon, argument = name.partition(":")
    path = Path(argument.split(",")[0])
    if colon and path.is_file():
        rest = argument[len(str(path)) :]
        return f"{head}:{hashlib.sha256(path.read_bytes()).hexdigest()}{rest}"
    return name


@cache
def _code(study: str) -> str:
    digest = hashlib.sha256()
    root = Path(octogym.__file__).parent
    for room in ROOMS:
        for file in sorted((root / room).rglob("*.py")):
            if not set(APART[study]) & set(file.relative_to(root).parts):
                digest.update(file.read_bytes())
    return digest.hexdigest()
