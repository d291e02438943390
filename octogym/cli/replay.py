"""`octogym rack replay`: policies once more on what was recorded, held to what was decided then."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from octogym.cli.choose import UsageError
from octogym.cli.progress import Bar
from octogym.cluster.backend import Backend
from octogym.cluster.registry import make_policy
from octogym.cluster.runner import Runner

POLICIES = "policies"


def add_parser(actions: Any) -> None:
    parser = actions.add_parser(
        "replay",
        help="policies once more on a recorded run",
        description="Runs policies on a recorded run, which answers as it did then, for as long as they decide as it "
        "was decided then. Exit code 0: in every window; 1: the first decision that differs is named.",
    )
    parser.add_argument("recording", type=Path, metavar="FILE", help="of octogym rack up --record")
    parser.add_argument(
        "--policy", action="append", default=[], metavar="NAME[:ARG]", help="default: those that were recorded"
    )
    parser.add_argument("--episode", type=int, default=0, metavar="N", help="from 0 (default %(default)s)")
    parser.set_defaults(run=run)


def recorded(backend: Backend, file: Path | None, policies: Sequence[str]) -> Backend:
    """The backend, recorded in `file` if there is one to be."""
    if file is None:
        return backend
    if file.suffix != ".parquet":
        raise UsageError(f"--record {file}: expected a file that ends in .parquet")
    from octogym.bridge.recorder import RecordingBackend

    return RecordingBackend(backend, file, {POLICIES: list(policies)})


def run(options: argparse.Namespace) -> int:
    from octogym.bridge.recording import Recording
    from octogym.bridge.replay import Diverged, ReplayBackend

    recording = Recording(options.recording)
    policies = options.policy or recording.about.note.get(POLICIES)
    if not policies:
        raise UsageError(f"{options.recording}: does not say which policies decided; name them with --policy")
    if not 0 <= options.episode < len(recording.episodes):
        raise UsageError(f"--episode {options.episode}: there are {len(recording.episodes)}, from 0")
    seed, count = recording.episodes[options.episode]
    backend = ReplayBackend(recording, first=options.episode)
    runner = Runner(backend, [make_policy(policy) for policy in policies], names=policies)
    print(f"{recording.about.scenario}, recorded: {count} windows, seed {seed}; {' + '.join(policies)}", flush=True)
    try:
        with Bar(count, "replay") as bar:
            for _ in runner.windows(count, seed):
                bar.advance(1)
    except Diverged as difference:
        print(difference)
        return 1
    print(f"{count} windows, every decision as recorded")
    return 0
