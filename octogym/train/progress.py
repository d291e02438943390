"""How training is going: a bar with reward and effective throughput, and TensorBoard if wanted."""

from __future__ import annotations

import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from octogym.cluster.errors import MissingExtra


class Progress:
    """A tqdm bar on a terminal (nothing elsewhere, or if `quiet`) and, with a folder, TensorBoard scalars.

    ```python
    with Progress(total=100, title="ippo", unit="episode", board="runs/x") as progress:
        progress.advance(1, at=step, reward=0.1, effective_throughput=52.0)
    ```

    Args:
        total: how far it goes; `start`: how far it is already (a run that goes on).
        board: folder of the TensorBoard events.

    Raises:
        MissingExtra: `board` is given and TensorBoard is not installed.
    """

    def __init__(
        self,
        total: int,
        title: str,
        unit: str = "episode",
        quiet: bool = False,
        board: str | Path | None = None,
        start: int = 0,
    ) -> None:
        from tqdm import tqdm

        self._board = _writer(board) if board is not None else None
        silent = quiet or not sys.stderr.isatty()
        self._bar: Any = tqdm(
            total=total, initial=start, desc=title, unit=unit, disable=silent, dynamic_ncols=True, leave=True
        )
        self._done = start
        #: The last figures shown.
        self.last: dict[str, float] = {}

    def advance(self, count: int = 1, at: int | None = None, **figures: float) -> None:
        """Move on by `count`; show `figures` and write them to TensorBoard.

        Args:
            at: TensorBoard's step; how far it is if None.
            figures: numbers by name; a name with `/` is written but not shown on the bar (`loss/policy`: say
                `**{"loss/policy": x}`).
        """
        self._done += count
        shown = {name: value for name, value in figures.items() if "/" not in name}
        if shown:
            self.last = shown
            self._bar.set_postfix({name: f"{value:.4g}" for name, value in shown.items()}, refresh=False)
        self._bar.update(count)
        if self._board is not None:
            for name, value in figures.items():
                self._board.add_scalar(name, value, self._done if at is None else at)

    def close(self) -> None:
        self._bar.close()
        if self._board is not None:
            self._board.close()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _writer(folder: str | Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingExtra("train", "tensorboard") from error
    return SummaryWriter(str(folder))
