"""Runs a function in a fresh Python process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import cloudpickle  # type: ignore[import-untyped]

_CHILD = (
    "import cloudpickle, sys; f, args = cloudpickle.load(sys.stdin.buffer); sys.stdout.buffer.write(f(*args).encode())"
)
_LAST_LINES = 12


def in_another_process(function: Callable[..., str], *args: Any, timeout_s: float = 600.0) -> str:
    """The string that `function(*args)` returns there; both travel by cloudpickle, lambdas included.

    Raises:
        RuntimeError: the process failed; the message holds the end of what it said.
    """
    path = ";".join(("import sys", f"sys.path[:0] = {[p for p in sys.path if p]!r}", _CHILD))
    done = subprocess.run(
        [sys.executable, "-c", path],
        input=cloudpickle.dumps((function, args)),
        capture_output=True,
        timeout=timeout_s,
        check=False,
    )
    if done.returncode:
        said = "\n".join(done.stderr.decode(errors="replace").splitlines()[-_LAST_LINES:])
        raise RuntimeError(f"the other process ended with code {done.returncode}:\n{said}")
    return done.stdout.decode()
