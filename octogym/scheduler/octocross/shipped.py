"""Checkpoints that come with the package, for a first look without training. Each says in itself what it is from."""

from __future__ import annotations

from pathlib import Path

#: Name -> file. `campus`: preset `fast`, 3000 steps on generated traces of campus-16:
#: ``octogym train octocross campus-16 --traces synthetic --steps 3000``.
SHIPPED = {"campus": Path(__file__).parent / "weights" / "campus.safetensors"}


def checkpoint_file(name: str) -> Path:
    """The file of a shipped checkpoint, or the path itself; a file of that name comes first."""
    path = Path(name)
    return SHIPPED.get(name, path) if not path.exists() else path
