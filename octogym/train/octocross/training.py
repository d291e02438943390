"""Training of OctoCross on loads of a scenario's training traces, or of tables of counts.

```python
from octogym.train.octocross import OctoCrossTraining, train_octocross
result = train_octocross(OctoCrossTraining("campus-16", preset="fast", out="runs/octocross"))
result.file
```
"""

from __future__ import annotations

import csv
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

import octogym
from octogym.cluster.fingerprint import fingerprint
from octogym.cluster.scenario import Scenario
from octogym.train.checkpoint import (
    POLICY_FILE,
    TrainingState,
    join_names,
    load_state,
    provenance,
    save_state,
    split_names,
)
from octogym.train.octocross.load_data import training_series
from octogym.train.progress import Progress
from octogym.train.settings import SettingError, one_of, run_folder, training_scenario, whole
from octogym.train.stopping import Stopping
from octogym.train.torch_extra import import_torch, torch_threads

if TYPE_CHECKING:
    from octogym.scheduler.octocross.config import OctoCrossConfig
    from octogym.scheduler.octocross.fit import FitSettings
    from octogym.scheduler.octocross.ids import DeviceIds
    from octogym.scheduler.octocross.model import OctoCrossModel

HISTORY_FILE = "history.csv"


@dataclass(frozen=True)
class OctoCrossTraining:
    """What is trained, and how long.

    Args:
        scenario: name, file or Scenario whose episodes are learned from; `split`: part of its traces. None: `series`
            alone.
        series: further data, see `octogym.train.octocross.load_data.training_series`.
        episodes: of the scenario.
        preset: sizes of the model, a name of `octogym.scheduler.octocross.config.PRESETS`.
        settings: `octogym.scheduler.octocross.fit.FitSettings`: steps, batch, learning rate; the defaults if None.
        seed: of weights and windows.
        threads: of torch. Another number may sum in another order and give other weights.
        out: folder for checkpoint and history; `resume`: go on with the run that is there; `save_every`: steps between
            saves. board: TensorBoard, in `out`.

    Raises:
        SettingError: a value out of range; names the setting and what is allowed.
    """

    scenario: str | Path | Scenario | None
    split: str = "train"
    series: Sequence[str | Path] = ()
    episodes: int = 16
    preset: str = "fast"
    settings: FitSettings | None = None
    seed: int = 0
    threads: int = 1
    out: str | Path | None = None
    resume: bool = False
    save_every: int = 500
    board: bool = False
    quiet: bool = False

    def __post_init__(self) -> None:
        from octogym.scheduler.octocross.config import PRESETS

        for name in ("episodes", "threads", "save_every"):
            whole(self, name)
        whole(self, "seed", 0)
        one_of(self, "preset", tuple(PRESETS))
        if self.board and self.out is None:
            raise SettingError("board", True, "False, or out=FOLDER that holds it")


@dataclass(frozen=True, eq=False)
class OctoCrossResult:
    """What a training left. `file`: its checkpoint, if there was a folder; `interrupted`: stopped before its end.

    `history`: float64 per column: step, the loss and its terms, validation (nan between validations).
    """

    model: OctoCrossModel
    ids: DeviceIds
    history: dict[str, np.ndarray]
    file: Path | None
    interrupted: bool
    steps: int


def train_octocross(config: OctoCrossTraining) -> OctoCrossResult:
    """Train a model. Ctrl-C or SIGTERM stops after the step, from where `resume` goes on as if nothing had happened.

    Raises:
        MissingExtra: torch is not installed.
        SettingError, ScenarioError, TraceError, SchedulerError, TensorFileError: what cannot be used.
    """
    return run_training(config, Training)


def run_training(config: OctoCrossTraining, make: type[Training]) -> OctoCrossResult:
    """`train_octocross` with the model, loss and file of another ``Training``."""
    folder = run_folder(config.out, config.resume)
    with torch_threads(import_torch(), config.threads):
        training = make(config)
        fit = training.fit
        if config.resume and folder is not None:
            training.load(load_state(folder, training.kind, training.identity()))
        board = folder / "board" if folder is not None and config.board else None
        steps = fit.settings.steps
        with (
            Stopping() as stopping,
            Progress(steps, training.kind, "step", config.quiet, board, fit.done) as progress,
        ):
            while not fit.finished and not stopping.asked:
                training.step(progress)
                if folder is not None and fit.done % config.save_every == 0 and not fit.finished:
                    training.save(folder)
        file = None
        if folder is not None:
            training.save(folder)
            file = training.export(folder)
    return OctoCrossResult(fit.model, fit.ids, training.columns(), file, not fit.finished, fit.done)


class Training:
    """The state of a training: data, fit, history. What is trained is in `kind`, `new_model`, `settings`, `write`.

    Attributes:
        kind: what the method and its files are called.
        data: series that are learned from. fit: how far it is.
    """

    kind = "octocross"

    def __init__(self, config: OctoCrossTraining) -> None:
        from octogym.scheduler.octocross.config import preset
        from octogym.scheduler.octocross.fit import Fit
        from octogym.scheduler.octocross.ids import DeviceIds

        self.config = config
        sizes = preset(config.preset)
        self.scenario = None if config.scenario is None else training_scenario(config.scenario, config.split)
        self.data = training_series(self.scenario, config.episodes, config.series, sizes.horizon)
        ids = DeviceIds(sizes.positions)
        for one in self.data:
            ids.add([name for name, server in zip(one.nodes, one.servers, strict=True) if not server])
        self.fit = Fit(self.new_model(sizes), self.data, ids, self.settings(), config.seed)
        self.rows: list[list[float]] = []

    def new_model(self, sizes: OctoCrossConfig) -> OctoCrossModel:
        """The model to fit; `data` is there."""
        from octogym.scheduler.octocross.model import OctoCrossModel

        return OctoCrossModel(sizes, self.config.seed)

    def settings(self) -> FitSettings:
        """How it is fitted."""
        from octogym.scheduler.octocross.fit import FitSettings

        return self.config.settings or FitSettings()

    def write(self, file: Path, about: dict[str, Any]) -> Path:
        """Write the checkpoint."""
        from octogym.scheduler.octocross.file import write_octocross

        return write_octocross(file, self.fit.model, self.fit.ids, about)

    def step(self, progress: Progress) -> None:
        """One step of the optimiser."""
        fit = self.fit
        found = fit.step()
        self.rows.append([fit.done, *found.values(), fit.validation if fit.checked == fit.done else np.nan])
        more = {f"loss/{name}": value for name, value in found.items() if name != "total"}
        shown = {"loss": found["total"]} | ({"validation": fit.validation} if fit.checked else {})
        progress.advance(1, at=fit.done, **shown, **more)

    def columns(self) -> dict[str, np.ndarray]:
        """The history, see `OctoCrossResult`."""
        from octogym.scheduler.octocross.loss import Losses

        names = ("step", *Losses._fields, "validation")
        table = np.array(self.rows, np.float64).reshape(-1, len(names))
        return {name: table[:, k] for k, name in enumerate(names)}

    def identity(self) -> dict[str, Any]:
        """What a run that goes on from a saved state must share."""
        return {
            "data_sha256": fingerprint(self.data),
            "preset": self.config.preset,
            "settings": asdict(self.fit.settings),
            "seed": self.config.seed,
        }

    def save(self, folder: Path) -> None:
        """Write the state from which training goes on."""
        arrays = join_names(fit=self.fit.state_dict(), history={"rows": np.array(self.rows, np.float64)})
        save_state(folder, self.kind, TrainingState(arrays, {"steps": self.fit.done}, self.identity()))

    def load(self, state: TrainingState) -> None:
        """Go on from `save`."""
        self.fit.load(split_names(state.arrays, "fit"))
        self.rows = [list(row) for row in state.arrays["history/rows"].tolist()]

    def export(self, folder: Path) -> Path:
        """The model's file, and the history."""
        with (folder / HISTORY_FILE).open("w", newline="", encoding="utf-8") as out:
            writer = csv.writer(out)
            columns = self.columns()
            writer.writerow(columns)
            writer.writerows(zip(*([f"{x:.6g}" for x in values] for values in columns.values()), strict=True))
        return self.write(folder / POLICY_FILE, self._about())

    def _about(self) -> dict[str, Any]:
        config, fit = self.config, self.fit
        more = {
            "series": [Path(item).name for item in map(str, config.series)],
            "sites": sorted({one.name for one in self.data}),
            "episodes": config.episodes if self.scenario is not None else 0,
            "preset": config.preset,
            "settings": asdict(fit.settings),
            "validation": fit.best if np.isfinite(fit.best) else None,
            "data_sha256": fingerprint(self.data),
        }
        if self.scenario is not None:
            return provenance(self.scenario, config.seed, fit.done, **more)
        about = {"octogym": octogym.__version__, "scenario": "", "seed": config.seed, "steps": fit.done}
        return {**about, "python": platform.python_version(), "numpy": np.__version__, **more}
