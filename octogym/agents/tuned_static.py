"""The tuned static policy: the fixed settings and shares that search found best on training traces."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from octogym.agents.errors import PolicyError
from octogym.agents.settings_table import read_settings
from octogym.agents.share_table import read_shares
from octogym.agents.static import StaticPolicy
from octogym.agents.tuning import DEFAULT, Budget, Progress, Tuned, tune
from octogym.cluster.fingerprint import fingerprint
from octogym.cluster.scenario import Scenario
from octogym.cluster.topology import Cluster


class TunedStaticPolicy(StaticPolicy):
    """Holds the fixed settings and shares of a file that `octogym tune` (or `tuned_file`) wrote.

    Args:
        argument: the file. None: the one in the user's cache for this very cluster.

    Raises:
        PolicyError: a file that cannot be read; at `reset`, nothing tuned for the cluster, or for another one only.
    """

    def __init__(self, argument: str | None = None) -> None:
        super().__init__()
        self.file = argument
        if argument:
            self._read(argument)

    def reset(self, cluster: Cluster, num_envs: int, seed: int) -> None:
        if not self.file:
            found = sorted(cache_folder().glob(f"*-{fingerprint(cluster)[:12]}-*.json"))
            if not found:
                raise PolicyError(
                    f"policy tuned-static: nothing tuned for {cluster.name} yet; run: octogym tune {cluster.name}"
                )
            if len(found) > 1:
                names = ", ".join(file.name for file in found)
                raise PolicyError(
                    f"policy tuned-static: several in {cache_folder()}: {names}; say which: tuned-static:FILE"
                )
            self._read(found[0])
        super().reset(cluster, num_envs, seed)

    def _read(self, file: str | Path) -> None:
        self.settings, self.shares = read_settings(file), read_shares(file)


def cache_folder() -> Path:
    """Where tuned settings are kept: `OCTOGYM_CACHE`, else the user's cache directory."""
    stated = os.environ.get("OCTOGYM_CACHE")
    base = Path(stated) if stated else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "octogym"
    return base / "tuned"


def _version() -> str:
    try:
        return version("octogym")
    except PackageNotFoundError:  # run from a checkout
        return ""


def cache_file(scenario: Scenario, budget: Budget) -> Path:
    """The cached file of a training scenario and a search's budget."""
    work = fingerprint(
        (
            _version(),
            scenario.counts,
            scenario.rates,
            scenario.options,
            [scenario.plan(seed) for seed in budget.seeds],
            budget,
        )
    )
    return cache_folder() / f"{scenario.name}-{fingerprint(scenario.cluster)[:12]}-{work[:12]}.json"


def tuned_file(
    scenario: Scenario,
    budget: Budget = DEFAULT,
    file: str | Path | None = None,
    threads: int = 1,
    progress: Progress | None = None,
) -> Path:
    """The file with the tuned settings of a training scenario; searches if it is not there yet.

    Args:
        scenario: on its training split.
        budget: of the search; part of the cached file's name.
        file: where to keep it; the user's cache if None. An existing file is used as it is.
    """
    path = cache_file(scenario, budget) if file is None else Path(file)
    if not path.exists():
        write_tuned(path, scenario, budget, tune(scenario, budget, threads, progress))
    return path


def write_tuned(path: Path, scenario: Scenario, budget: Budget, tuned: Tuned) -> None:
    """Write settings with what they were found on."""
    origin: Mapping[str, Any] = {
        "octogym": _version(),
        "scenario": scenario.name,
        "cluster_sha256": fingerprint(scenario.cluster),
        "traces_sha256": fingerprint((scenario.counts, scenario.rates)),
        "traces": scenario.provenance.get("traces", ""),
        "split": scenario.provenance.get("split", ""),
        "synthetic_traces": scenario.synthetic_traces,
        "synthetic_profiles": scenario.synthetic_profiles,
        "objective": "share of generated results on time",
        **asdict(budget),
        "evaluations": tuned.evaluations,
        "share": tuned.share,
        "share_of_best_common_batch": tuned.common_share,
        "best_common_batch": tuned.common_batch,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    # Whole or not at all: a search may be interrupted while another reads.
    part = path.with_name(path.name + f".{os.getpid()}")
    content = {"settings": tuned.settings, "shares": tuned.shares, "provenance": origin}
    part.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    part.replace(path)
