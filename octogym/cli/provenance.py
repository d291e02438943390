"""What a result was computed from: enough to repeat it, and to tell two results apart."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shlex
import subprocess
from collections.abc import Sequence
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import octogym
from octogym.cluster.fingerprint import fingerprint
from octogym.cluster.scenario import Scenario

#: Results may stand beside each other where these agree.
IDENTITY = (
    "code_sha256",
    "backend",
    "scenario_sha256",
    "traces_sha256",
    "workload_sha256",
    "policy_sha256",
    "seed",
    "horizon_s",
)


def provenance(scenario: Scenario, backend: str, command_line: Sequence[str]) -> dict[str, Any]:
    """Of a whole command: package, scenario, traces, profiles, machine. Plain values."""
    return {
        "octogym": octogym.__version__,
        "git_commit": git_commit(),
        "code_sha256": code_digest(),
        "scenario": scenario.name,
        "split": scenario.provenance.get("split", ""),
        "scenario_sha256": scenario_digest(scenario),
        "traces_sha256": fingerprint((scenario.counts, scenario.rates)),
        "traces": scenario.provenance.get("traces", ""),
        "profiles": scenario.provenance.get("profiles", ""),
        "synthetic_traces": scenario.synthetic_traces,
        "synthetic_profiles": scenario.synthetic_profiles,
        "backend": backend,
        "command_line": shlex.join(command_line),
        "python": platform.python_version(),
        "numpy": _version("numpy"),
        "numba": _version("numba"),
        "cpu": cpu_model(),
        "cpu_count": os.cpu_count(),
    }


def scenario_digest(scenario: Scenario) -> str:
    """SHA-256 of the resolved scenario but for its traces: cluster, options, horizon, and what its load programme
    draws."""
    plans = [scenario.plan(seed) for seed in range(3)]
    return fingerprint((scenario.name, scenario.cluster, scenario.options, scenario.horizon_s, plans))


def policy_digest(policies: Sequence[str]) -> str:
    """SHA-256 of policies by name and argument; of a file in an argument (`FILE` or `KEY=FILE`), of its content."""
    return fingerprint([[_content(word) for word in re.split("[:,=]", policy)] for policy in policies])


def _content(word: str) -> str:
    return hashlib.sha256(Path(word).read_bytes()).hexdigest() if word and Path(word).is_file() else word


@lru_cache(maxsize=1)
def code_digest() -> str:
    """SHA-256 of the package's own files: a commit says nothing of what was changed since."""
    root = Path(octogym.__file__).resolve().parent
    files = sorted(file for file in root.rglob("*") if file.suffix in (".py", ".toml"))
    return fingerprint([(file.relative_to(root).as_posix(), file.read_bytes()) for file in files])


@lru_cache(maxsize=1)
def git_commit() -> str:
    """The checkout's commit, with `+` after it where files differ; empty where the package is not run from a
    checkout."""
    root = Path(octogym.__file__).resolve().parent.parent
    if not (root / ".git").exists():
        return ""
    commit = _git(root, "rev-parse", "HEAD")
    return commit + "+" if commit and _git(root, "status", "--porcelain", "--untracked-files=no") else commit


def _git(root: Path, *command: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *command], capture_output=True, text=True, timeout=20, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


@lru_cache(maxsize=1)
def cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
