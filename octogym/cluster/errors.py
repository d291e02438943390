"""Errors that say what is wrong, where, and what is allowed instead."""

from __future__ import annotations

from typing import Any, Optional


class OctoGymError(Exception):
    """Base of every error that OctoGym raises on purpose."""


class ScenarioError(OctoGymError, ValueError):
    """A scenario (or a name within one) that cannot be used.

    Args:
        file: scenario file or name.
        key: dotted key within it, for example ``"devices[2].type"``.
        value: the value that was found.
        allowed: in words or as a list, what would have been accepted.
    """

    def __init__(self, file: Any, key: str, value: Any, allowed: Any) -> None:
        super().__init__(file, key, value, allowed)
        self.file, self.key, self.value, self.allowed = file, key, value, allowed

    def __str__(self) -> str:
        if isinstance(self.allowed, str):
            allowed = self.allowed
        else:
            allowed = "one of " + ", ".join(str(item) for item in self.allowed)
        return f"{self.file}: {self.key} = {self.value!r}: expected {allowed}"


class TraceError(OctoGymError, ValueError):
    """A trace file that is damaged, truncated or of another format.

    Args:
        file: file (or series) name.
        line: line number from 1, or None where the problem has no line.
        problem: what is wrong and what was expected.
    """

    def __init__(self, file: Any, line: Optional[int], problem: str) -> None:
        super().__init__(file, line, problem)
        self.file, self.line, self.problem = file, line, problem

    def __str__(self) -> str:
        where = str(self.file) if self.line is None else f"{self.file}, line {self.line}"
        return f"{where}: {self.problem}"


class MissingExtra(OctoGymError, ImportError):
    """A feature needs a package that only an optional extra installs.

    Args:
        extra: the extra of ``octogym`` that brings it, for example ``"plot"``.
        package: the package that could not be imported.
    """

    def __init__(self, extra: str, package: str) -> None:
        super().__init__(extra, package)
        self.extra, self.package = extra, package

    def __str__(self) -> str:
        return f'{self.package} is not installed; it comes with: pip install "octogym[{self.extra}]"'
