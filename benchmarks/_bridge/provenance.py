"""Where and when figures of the bridge were taken."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from datetime import datetime, timezone
from importlib.metadata import version
from typing import Any

from benchmarks._speed.timing import cores
from octogym.cli.provenance import cpu_model, git_commit


def provenance(quick: bool, began: datetime, load: Sequence[float]) -> dict[str, Any]:
    """Plain values. `began` and `load` (`os.getloadavg()`) are those before the first figure; now is the end."""
    return {
        "git_commit": git_commit(),
        "began": began.isoformat(timespec="seconds"),
        "ended": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "quick": quick,
        "cpu": cpu_model(),
        "cores": cores(),
        "load_average_before": list(load),
        "load_average_after": list(os.getloadavg()),
        "niceness": os.nice(0),
        "python": platform.python_version(),
        "pyzmq": version("pyzmq"),
    }
