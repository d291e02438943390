"""Progress on stderr: a bar on a terminal, a line per step elsewhere."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any


class Bar:
    """A tqdm bar; where stderr is no terminal, one line when it closes."""

    def __init__(self, total: int, title: str, unit: str = "s", quiet: bool = False) -> None:
        from tqdm import tqdm

        self._plain = not sys.stderr.isatty()
        self._bar: Any = tqdm(
            total=total,
            desc=title,
            unit=unit,
            disable=True if self._plain or quiet else None,
            dynamic_ncols=True,
            leave=True,
        )
        self._title, self._quiet, self._last = title, quiet, ""

    def advance(self, count: int = 1, **facts: str) -> None:
        """Move on by `count` and show the facts."""
        self._last = ", ".join(f"{name} {value}" for name, value in facts.items())
        if facts:
            self._bar.set_postfix(facts, refresh=False)
        self._bar.update(count)

    def title(self, text: str) -> None:
        self._bar.set_description(text, refresh=False)

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.close()
        if self._plain and not self._quiet and error is None:
            print(f"{self._title}: {self._last or 'done'}", file=sys.stderr)
