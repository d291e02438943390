"""The argument of a policy that runs from a checkpoint: `FILE` or `FILE,OPTION,...`."""

from __future__ import annotations

from collections.abc import Sequence

from octogym.agents.errors import PolicyError


def file_and_options(name: str, argument: str | None, allowed: Sequence[str]) -> tuple[str, frozenset[str]]:
    """The file and which of the `allowed` options follow it. A comma that no option follows belongs to the file.

    Raises:
        PolicyError: there is no file, or the same option twice.
    """
    parts = (argument or "").split(",")
    options = []
    while len(parts) > 1 and parts[-1] in allowed:
        options.append(parts.pop())
    file = ",".join(parts)
    form = "".join(f"[,{option}]" for option in allowed)
    if not file:
        raise PolicyError(f"policy {name} needs a checkpoint, {name}:FILE{form}; octogym train {name} leaves one")
    if len(set(options)) < len(options):
        raise PolicyError(f"policy {name}: {argument!r}: expected {name}:FILE{form}")
    return file, frozenset(options)
