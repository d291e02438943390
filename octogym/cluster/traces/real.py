"""The measured traces: where they lie and how their series are named."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Callable, Dict, Optional, Sequence, Tuple

from octogym.cluster.errors import TraceError
from octogym.cluster.traces.bandwidth import load_caps, load_rates_csv
from octogym.cluster.traces.count_json import load_object_count, load_person_json
from octogym.cluster.traces.formats import link_series
from octogym.cluster.traces.node_csv import load_aicity, load_labels
from octogym.cluster.traces.reading import PathLike
from octogym.cluster.traces.rules import with_labels, without_repeats
from octogym.cluster.traces.series import CountSeries, RateSeries
from octogym.cluster.traces.sources import SOURCES
from octogym.cluster.traces.trace_set import TraceSet

ENVIRONMENT = "OCTOGYM_DATA"
FOLDERS = ("campus", "aicity", "fcpo", "bandwidth-1hz", "bandwidth-30s")
#: First parts of the names of series; each is read from files of its own.
FAMILIES = ("campus", "aicity", "fcpo", "octopinf", "5g", "5g-30s")
LABEL = "balanced"


def user_folder() -> Path:
    """Where ``octogym data fetch`` puts the files unless told otherwise."""
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(cache) / "octogym" / "data"


def find_data() -> Optional[Path]:
    """The folder of the measured traces, or None.

    Looked for in the environment variable ``OCTOGYM_DATA``, then in ``../shared/data`` beside the checkout and beside
    the current folder, then where ``octogym data fetch`` puts it.

    Raises:
        TraceError: ``OCTOGYM_DATA`` is set and no such folder.
    """
    told = os.environ.get(ENVIRONMENT)
    if told:
        if not _holds_data(Path(told)):
            raise TraceError(told, None, f"{ENVIRONMENT} names it, but it is no folder that holds {', '.join(FOLDERS)}")
        return Path(told)
    checkout = Path(__file__).resolve().parents[3]
    beside = (checkout.parent, Path.cwd().parent)
    for folder in [parent / "shared" / "data" for parent in beside] + [user_folder()]:
        if _holds_data(folder):
            return folder
    return None


def _holds_data(folder: Path) -> bool:
    return any((folder / Path(source.path)).is_file() for source in SOURCES)


def load_real(path: Optional[PathLike] = None, repeats: bool = False, families: Sequence[str] = FAMILIES) -> TraceSet:
    """Every series of the data folder, cached per process.

    Names: ``campus/s01/node1`` (15 per second, labels ``balanced``), ``aicity/node10`` (1 per second, labels
    ``balanced``), ``fcpo/traffic1`` (30 per second), ``octopinf/indoor2``, ``5g/static-01`` (about 1 Hz), ``5g-30s/1``,
    ``campus/links/node1`` (constant).

    Args:
        path: the folder; None: `find_data`.
        repeats: keep the names under which the published files repeat other streams, for example ``fcpo/traffic100``.
        families: read these of `FAMILIES` only; reading all takes half a second.

    Raises:
        TraceError: no such folder, no known file in it, or a damaged one.
    """
    folder = find_data() if path is None else Path(path)
    if folder is None:
        raise TraceError("traces", None, f"not found: run `octogym data fetch`, or set {ENVIRONMENT} to their folder")
    return _load_real(str(folder), repeats, tuple(families))


@lru_cache(maxsize=8)
def _load_real(path: str, repeats: bool, families: Tuple[str, ...]) -> TraceSet:
    if not _holds_data(Path(path)):
        raise TraceError(path, None, f"holds no trace, expected the folders {', '.join(FOLDERS)}")
    counts: Dict[str, CountSeries] = {}
    rates: Dict[str, RateSeries] = {}
    for family in FAMILIES:
        if family in families:
            found = _load_family(path, repeats, family)
            counts.update(found.counts)
            rates.update(found.rates)
    return TraceSet(counts, rates)


@lru_cache(maxsize=4 * len(FAMILIES))
def _load_family(path: str, repeats: bool, family: str) -> TraceSet:
    folder = Path(path)
    if family == "campus":
        table = folder / "campus" / "bandwidth.cites"
        rates = link_series(table, "campus/links/") if table.is_file() else {}
        return TraceSet(_campus(folder / "campus", repeats), rates)
    if family == "aicity":
        return TraceSet(_aicity(folder / "aicity", repeats))
    if family in ("fcpo", "octopinf"):
        # Which names of one repeat a stream can be told from both files only.
        both = _object_counts(folder / "fcpo", repeats)
        return TraceSet({name: series for name, series in both.items() if name.startswith(family + "/")})
    if family == "5g":
        return TraceSet({}, _each(folder / "bandwidth-1hz", "*.csv", lambda stem: f"5g/{stem}", load_rates_csv))
    caps = _each(folder / "bandwidth-30s", "bandwidth_limits*.json", lambda stem: f"5g-30s/{stem[16:]}", load_caps)
    return TraceSet({}, caps)


def _campus(folder: Path, repeats: bool) -> Dict[str, CountSeries]:
    result: Dict[str, CountSeries] = {}
    for file in sorted(folder.glob("s*_person.json")):
        scene = file.name.split("_")[0]
        labels = folder / "gt_campus.csv"  # of s01 alone
        series = load_person_json(file, f"campus/{scene}/", repeats)
        result.update(_labelled(series, labels, 15.0) if scene == "s01" else series)
    return result


def _aicity(folder: Path, repeats: bool) -> Dict[str, CountSeries]:
    file = folder / "AIcity.csv"
    if not file.is_file():
        return {}
    return _labelled(load_aicity(file, "aicity/", repeats), folder / "AIcity_balance.csv", 1.0)


def _labelled(series: Dict[str, CountSeries], file: Path, rate_hz: float) -> Dict[str, CountSeries]:
    labels = load_labels(file, rate_hz) if file.is_file() else {}
    return {
        name: with_labels(one, LABEL, labels[name.split("/")[-1]]) if name.split("/")[-1] in labels else one
        for name, one in series.items()
    }


def _object_counts(folder: Path, repeats: bool) -> Dict[str, CountSeries]:
    result: Dict[str, CountSeries] = {}
    for prefix, file in (("fcpo/", folder / "object_count.json"), ("octopinf/", folder / "object_count_octopinf.json")):
        if file.is_file():
            series = load_object_count(file, prefix)
            result.update(series if repeats else without_repeats(series, list(result.values())))
    return result


def _each(
    folder: Path, pattern: str, name: Callable[[str], str], load: Callable[[PathLike, str], RateSeries]
) -> Dict[str, RateSeries]:
    def order(file: Path) -> Tuple[int, str]:
        return len(file.name), file.name

    return {name(file.stem): load(file, name(file.stem)) for file in sorted(folder.glob(pattern), key=order)}
