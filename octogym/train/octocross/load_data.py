"""Load series for trainings: episodes of a scenario, measured or generated traces, files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from octogym.cluster.scenario import Scenario
from octogym.cluster.traces import RateSeries, TraceSet, load, load_real, synthetic_set
from octogym.scheduler.octocross.dataset import LoadSeries, of_scenario, of_traces
from octogym.train.settings import SettingError

#: Sets of traces that have a name; everything else is a file.
REAL, SYNTHETIC = "real", "synthetic"


def training_series(
    scenario: Scenario | None, episodes: int, series: Sequence[str | Path] = (), horizon: int = 32
) -> list[LoadSeries]:
    """What a training learns from.

    Args:
        scenario: its workload in the episodes of seeds 0, 1, ... `episodes` - 1; None: none.
        series: ``"real"`` (every site of the measured traces of more than 200 s), ``"synthetic"`` or
            ``"synthetic:SEED"`` (the same, generated), or files of counts (``FILE`` or ``FILE?rate_hz=15``).
        horizon: samples that are forecast.

    Raises:
        SettingError: nothing to learn from, or a set without a site that is long enough.
        TraceError, SchedulerError: a file that cannot be read, a scenario with nothing to offload.
    """
    found = [of_scenario(scenario, seed, horizon=horizon) for seed in range(episodes)] if scenario is not None else []
    for item in map(str, series):
        sites = of_traces(_traces(item), links=_links(item), horizon=horizon)
        if not sites:
            raise SettingError("series", item, "counts of at least 200 s")
        found += sites
    if not found:
        raise SettingError("series", list(series), "at least one, or a scenario")
    return found


def _traces(item: str) -> TraceSet:
    if item == REAL:
        return load_real(families=("campus", "aicity"))
    head, colon, seed = item.partition(":")
    if head == SYNTHETIC:
        if colon and not seed.isdigit():
            raise SettingError("series", item, "synthetic or synthetic:SEED")
        return synthetic_set(int(seed or 0))
    name, question, query = item.partition("?")
    rate_hz = None
    if question:
        try:
            rate_hz = float(query.removeprefix("rate_hz="))
        except ValueError:
            raise SettingError("series", item, "FILE or FILE?rate_hz=NUMBER") from None
    return load(name, rate_hz=rate_hz)


def _links(item: str) -> list[RateSeries]:
    """Uplinks that go with a set: the static 5G traces of its kind, the generated ones for files."""
    traces = load_real(families=("5g",)) if item == REAL else synthetic_set(0)
    return [one for name, one in traces.rates.items() if name.startswith("5g/static-")]
