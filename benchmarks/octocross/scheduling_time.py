"""How long OctoCross takes to decide, from one second's telemetry to the matrix of shares, and to train.

    python benchmarks/octocross/scheduling_time.py [--json FILE] [--quick]

Decisions: `Sampler.push` of a window, `Sampler.sample`, model, projection and shares, on clusters of N cameras and a
server; untrained weights, since time does not depend on them. Training: steps of one window (and of 16) at N = 16. All
on at most two cores, without a GPU; a GPU, where there is one, is reported beside it. On a machine that others use
too, samples that were disturbed do not count; where too few were not, CPU time does, which says so.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks._octocross.large import campus, windows
from benchmarks._octocross.timed import Duration, Stopwatch
from benchmarks._study.report import Said, arguments, table, verdict, write
from octogym.cluster.offloading.layout import OffloadLayout
from octogym.scheduler.octocross.config import PRESETS
from octogym.scheduler.octocross.decider import OctoCrossDecider
from octogym.scheduler.octocross.ids import DeviceIds
from octogym.scheduler.octocross.rule import DEFAULT, RULES
from octogym.scheduler.offload.sampler import Sampler

#: Milliseconds that a decision may take, by preset and cameras; None: only reported.
BUDGET_MS: dict[tuple[str, int], float | None] = {
    ("fast", 16): 5.0,
    ("fast", 100): 30.0,
    ("fast", 1000): 500.0,
    ("paper", 16): 10.0,
    ("paper", 100): 80.0,
    ("paper", 1000): None,
}
#: Decisions timed, by cameras: all of them, and --quick.
REPEATS = {16: (300, 20), 100: (100, 10), 1000: (15, 3)}
WARM_UP = 34
#: Decisions in a row that must not become slower, nor take more memory.
LONG_RUN = (10_000, 500)
GROWTH, GROWTH_MB = 1.2, 8.0
#: Seconds that so many training steps of one window may take.
STEPS, TRAINING_S = 3000, 200.0
CORES = 2


class Decisions:
    """One cluster and a model that decides on it."""

    def __init__(self, preset: str, cameras: int) -> None:
        from octogym.scheduler.octocross.file import weights
        from octogym.scheduler.octocross.model import OctoCrossModel

        self.layout = OffloadLayout(campus(cameras))
        config, rule = PRESETS[preset], RULES[DEFAULT]
        ids = DeviceIds(config.positions)
        ids.add(self.layout.agents)
        self.decider = OctoCrossDecider(config, weights(OctoCrossModel(config)), ids, rule)
        self.decider.reset(self.layout, 1, 0)
        self.sampler = Sampler(self.layout, 1, config.history, rule.targets)
        self._windows = windows(self.layout.cluster)
        self._valid = np.ones(self.layout.M, bool)
        self._reach = np.zeros((self.layout.M, self.layout.M), bool)
        row, column = np.nonzero(self.layout.targets >= 0)
        self._reach[row, self.layout.targets[row, column]] = True
        for _ in range(WARM_UP):
            self.sampler.push(next(self._windows))

    def one(self, watch: Stopwatch | None = None) -> np.ndarray:
        """The next second's decision, float64 [M, M]."""
        window = next(self._windows)

        def decide() -> np.ndarray:
            self.sampler.push(window)
            return self.decider.decide(self.sampler.sample(0, self._valid, self._reach), 0)

        matrix: np.ndarray = watch.time(decide) if watch else decide()
        return matrix


def decisions(quick: bool, said: Callable[[str], None]) -> dict[tuple[str, int], Duration]:
    """Time of a decision by preset and cameras."""
    found = {}
    for preset, cameras in BUDGET_MS:
        repeats = REPEATS[cameras][quick] if (preset, cameras) != ("paper", 1000) else 2
        made, watch = Decisions(preset, cameras), Stopwatch()
        matrix = made.one()
        if not (abs(matrix.sum(1) - 1) < 1e-6).all() or np.trace(matrix) > len(matrix) - 0.1:
            raise AssertionError(f"{preset}, N = {cameras}: the decision moves nothing")
        for _ in range(repeats):
            made.one(watch)
        found[preset, cameras] = watch.duration()
        said(f"{preset}, N = {cameras}: {found[preset, cameras].s * 1e3:.1f} ms")
    return found


def long_run(count: int) -> dict[str, float]:
    """CPU time of the last tenth of ``count`` decisions over that of the first, and megabytes that they added."""
    made, watch = Decisions("fast", 16), Stopwatch()
    part = count // 10
    for _ in range(part):
        made.one()
    before = _memory_mb()
    for _ in range(count - part):
        made.one(watch)
    ratio = float(np.median(watch.cpu[-part:]) / np.median(watch.cpu[:part]))
    return {"decisions": count, "last_over_first": ratio, "added_mb": _memory_mb() - before}


def training(steps: int, batch: int, said: Callable[[str], None], preset: str = "paper") -> Duration:
    """Time of one step of `fit.Fit` at N = 16, validations included where they fall among ``steps``."""
    from octogym.scheduler.octocross.dataset import of_table
    from octogym.scheduler.octocross.fit import Fit, FitSettings
    from octogym.scheduler.octocross.model import OctoCrossModel

    rng = np.random.default_rng(0)
    loads = 8.0 + 6.0 * np.sin(np.arange(600)[:, None] / 40.0 + np.arange(16)) + rng.normal(0, 1, (600, 16))
    names = tuple(f"node{n}" for n in range(16))
    ids = DeviceIds(PRESETS[preset].positions)
    ids.add(names)
    model = OctoCrossModel(PRESETS[preset])
    run = Fit(model, [of_table("waves", names, np.maximum(loads, 0.0))], ids, FitSettings(steps=steps + 3, batch=batch))
    watch = Stopwatch()
    for step in range(steps + 3):
        watch.time(run.step)
        if step == 2:  # what is done once is over
            watch = Stopwatch()
    found = watch.duration()
    said(f"training, {preset}, {batch} windows a step: {found.s * 1e3:.0f} ms")
    return found


def on_gpu() -> dict[str, float] | None:
    """Milliseconds of a forward pass and of a training step of one window at N = 16 on a GPU; None without one."""
    import torch

    from octogym.scheduler.octocross.model import OctoCrossModel

    if not torch.cuda.is_available():
        return None
    config = PRESETS["paper"]
    model = OctoCrossModel(config).cuda()
    adam = torch.optim.Adam(model.parameters(), foreach=True)
    draw = torch.Generator().manual_seed(0)
    inputs = (
        torch.rand(1, 17, config.history, generator=draw) * 20,
        torch.full((1, 17), 10.0),
        torch.rand(1, 3, 17, 17, generator=draw),
        torch.ones(1, 17, dtype=torch.bool),
        torch.arange(2, 19)[None],
    )
    inputs = tuple(x.cuda() for x in inputs)

    def forward() -> None:
        with torch.inference_mode():
            model(*inputs)
        torch.cuda.synchronize()

    def step() -> None:
        said = model(*inputs)
        adam.zero_grad()
        (said.forecast.square().mean() + said.scores.softmax(-1).square().mean()).backward()
        adam.step()
        torch.cuda.synchronize()

    found: dict[str, float] = {}
    for name, function in (("forward_ms", forward), ("step_ms", step)):
        watch = Stopwatch()
        for _ in range(30):
            watch.time(function)
        found[name] = float(np.median(watch.wall[10:])) * 1e3
    return found


def main(argv: list[str] | None = None) -> int:
    options = arguments(__doc__ or "").parse_args(argv)
    said, quick = Said(), bool(options.quick)
    _two_cores()
    times = decisions(quick, said)
    growth = long_run(LONG_RUN[quick])
    steps = {1: training(40 if quick else STEPS, 1, said), 16: training(5 if quick else 40, 16, said)}
    gpu = on_gpu()

    lines = []
    for (preset, cameras), budget in BUDGET_MS.items():
        found = times[preset, cameras]
        ours = f"{found.s * 1e3:.2f} ms{' of CPU time' if found.busy else ''}"
        lines.append(
            verdict(
                f"a decision with `{preset}` at N = {cameras}",
                f"under {budget:g} ms" if budget else "-",
                ours,
                found.s * 1e3 < budget if budget else None,
            )
        )
    lines.append(
        verdict(
            f"no growth over {growth['decisions']:,} decisions",
            f"under {GROWTH:g} x, {GROWTH_MB:g} MB",
            f"{growth['last_over_first']:.2f} x, {growth['added_mb']:+.1f} MB",
            growth["last_over_first"] < GROWTH and growth["added_mb"] < GROWTH_MB,
        )
    )
    total = steps[1].s * STEPS
    lines.append(
        verdict(
            f"{STEPS} training steps of one window with `paper` at N = 16",
            f"under {TRAINING_S:g} s",
            f"{total:.0f} s{' of CPU time' if steps[1].busy else ''}",
            total < TRAINING_S,
        )
    )
    lines.append(verdict("the same with 16 windows a step", "-", f"{steps[16].s * STEPS:.0f} s", None))
    if gpu:
        lines.append(
            verdict(
                "on a GPU: forward pass, training step",
                "-",
                "{forward_ms:.1f} ms, {step_ms:.1f} ms".format(**gpu),
                None,
            )
        )
    words = {True: "pass", False: "falls short", None: "reported"}
    print(
        table(("", "budget", "ours", ""), [(v["claim"], v["paper"], v["ours"], words[v["borne_out"]]) for v in lines])
    )
    if options.json is not None:
        results = {
            "decisions": {f"{preset}-{cameras}": found.plain() for (preset, cameras), found in times.items()},
            "long_run": growth,
            "training": {f"batch-{batch}": found.plain() for batch, found in steps.items()},
            "gpu": gpu,
            "load_average": list(os.getloadavg()),
        }
        write(options.json, "scheduling_time", quick, {}, results, lines)
    short = [v["claim"] for v in lines if v["borne_out"] is False]
    print(f"falls short: {'; '.join(short)}" if short else "pass: all within the budget")
    return int(bool(short))


def _two_cores() -> None:
    import torch

    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    # Small arrays: a second thread costs more than it saves.
    torch.set_num_threads(1)


def _memory_mb() -> float:
    """Resident memory, 0 where the system does not say."""
    status = Path("/proc/self/statm")
    return int(status.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20 if status.exists() else 0.0


if __name__ == "__main__":
    started = time.perf_counter()
    sys.exit(main())
