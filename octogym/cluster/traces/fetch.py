"""Fetches the published traces from a mirror folder or from pinned commits upstream, and checks every SHA-256."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional

from octogym.cluster.errors import OctoGymError, TraceError
from octogym.cluster.traces.convert5g import convert
from octogym.cluster.traces.reading import PathLike, read_bytes
from octogym.cluster.traces.real import ENVIRONMENT, user_folder
from octogym.cluster.traces.sources import SOURCES, Source

Progress = Callable[[str, int, int], None]


def fetch(
    dest: Optional[PathLike] = None, mirror: Optional[PathLike] = None, progress: Optional[Progress] = None
) -> Path:
    """Brings every file of `SOURCES` into a folder; files that are there and right stay, so a broken fetch goes on.

    Args:
        dest: the folder; None: `user_folder`.
        mirror: a folder that has the files already; None: ``OCTOGYM_DATA`` where it is set, else upstream.
        progress: called with path, index and number of files before each.

    Returns:
        The folder.

    Raises:
        TraceError: a file has another SHA-256 than the published one (it is not kept), or the mirror lacks it.
        OctoGymError: upstream cannot be reached.
    """
    folder = user_folder() if dest is None else Path(dest)
    mirror = mirror or os.environ.get(ENVIRONMENT) or None
    with tempfile.TemporaryDirectory() as scratch:
        for index, source in enumerate(SOURCES):
            if progress is not None:
                progress(source.path, index, len(SOURCES))
            target = folder / source.path
            if target.is_file() and _sha256(target.read_bytes()) == source.sha256:
                continue
            if mirror is not None:
                _place(target, source, read_bytes(Path(mirror) / source.path), Path(mirror) / source.path)
            else:
                downloaded = _download(source, Path(scratch))
                data = downloaded.read_bytes() if source.arrays is None else convert(downloaded, source.arrays)
                _place(target, source, data, source.url)
    return folder


def verify(folder: PathLike) -> Dict[str, str]:
    """State of every published file in a folder: ``"ok"``, ``"missing"`` or ``"differs"``."""
    states = {}
    for source in SOURCES:
        path = Path(folder) / source.path
        there = path.is_file()
        states[source.path] = (
            "missing" if not there else "ok" if _sha256(path.read_bytes()) == source.sha256 else "differs"
        )
    return states


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _place(target: Path, source: Source, data: bytes, origin: object) -> None:
    """Writes the file whole or not at all."""
    found = _sha256(data)
    if found != source.sha256:
        problem = f"SHA-256 {found}, expected {source.sha256}: damaged or changed, refused"
        raise TraceError(origin, None, f"{source.path}: {problem}")
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.{os.getpid()}.part")
    partial.write_bytes(data)
    os.replace(partial, target)


def _download(source: Source, scratch: Path) -> Path:
    """The upstream file in ``scratch``; one file that several sources need is downloaded once."""
    name = f"{source.commit}/{source.upstream}"
    checksum = None if source.arrays is not None else f"sha256:{source.sha256}"
    pooch = _pooch()
    store = pooch.create(scratch, base_url="", registry={name: checksum}, urls={name: source.url}, retry_if_failed=1)
    try:
        return Path(store.fetch(name))
    except ValueError as error:  # pooch: the hash differs
        raise TraceError(source.url, None, f"{source.path}: {error}") from error
    except OSError as error:  # of which the errors of requests are
        raise OctoGymError(
            f"cannot download {source.url} ({type(error).__name__}). Without a connection, set {ENVIRONMENT} to a "
            "folder that has the files, or use the synthetic traces, which need none."
        ) from error


def _pooch() -> Any:
    try:
        import pooch
    except ImportError as error:
        raise OctoGymError(
            "fetching needs the package pooch, which comes with octogym on Python 3.10 or newer"
        ) from error
    pooch.get_logger().setLevel("ERROR")
    return pooch


def summary(states: Dict[str, str]) -> str:
    """One line on what `verify` found."""
    kinds: List[str] = [f"{list(states.values()).count(kind)} {kind}" for kind in ("ok", "missing", "differs")]
    return ", ".join(kinds)
