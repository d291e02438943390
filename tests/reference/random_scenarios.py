"""Small random clusters and decisions, to compare two simulators on what nobody would think of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from octogym.cluster.decision import Decision
from octogym.cluster.options import SimOptions
from octogym.cluster.scenario import FixedPlan, Scenario
from octogym.cluster.settings import DEADLINE, KEEP_SHARE, MAX_PACK, Settings
from octogym.cluster.topology import (
    CAMERA,
    SERVER,
    Camera,
    Cluster,
    Device,
    DeviceType,
    Edge,
    Instance,
    Profile,
    Route,
    Stage,
)
from tests.reference.random_workload import MS, Dice, count_table, rate_table, workload

PERIODS = 20  # for which the workload has a programme
WHOLE_MS_EVERY = 3


class _Builder:
    """Draws one cluster; the methods are called in the order in which they stand."""

    def __init__(self, dice: Dice) -> None:
        self.dice = dice
        self.classes = tuple(f"class{q}" for q in range(dice.whole(1, 3)))
        self.device_list: list[Device] = []
        self.profiles: dict[tuple[str, str], Profile] = {}
        self.slo_ns: dict[str, int] = {}
        self.stages: list[Stage] = []
        self.edges: list[Edge] = []
        self.instances: list[Instance] = []
        self.cameras: list[Camera] = []
        self.routes: list[Route] = []

    def devices(self) -> None:
        dice = self.dice
        boards = [DeviceType(f"board{n}", dice.whole(1, 4), 1, dice.whole(1, 2)) for n in range(2)]
        server = DeviceType("server", dice.whole(2, 8), dice.whole(1, 2), dice.whole(1, 4))
        self.device_list = [Device(f"cam-{n}", dice.pick(boards), CAMERA) for n in range(dice.whole(1, 4))]
        self.device_list += [Device(f"server-{n}", server, SERVER) for n in range(dice.whole(1, 2))]

    def pipelines(self) -> None:
        for p in range(self.dice.whole(1, 3)):
            name = f"pipe{p}"
            self.slo_ns[name] = self.dice.pick([100, 250, 600, 2000, 5000]) * MS
            level = [self._stage(name, "detector", True)]
            for depth in range(self.dice.whole(1, 3) - 1):
                below: list[int] = []
                for source in level:
                    targets = [self._next_stage(name, depth, below) for _ in range(self.dice.whole(1, 2))]
                    for target in sorted(set(targets)):
                        self._edge(source, target)
                    below = sorted({*below, *targets})
                level = below

    def _next_stage(self, pipeline: str, depth: int, below: list[int]) -> int:
        """A new stage, or now and then one that another source has already."""
        if below and self.dice.chance(0.2):
            return self.dice.pick(below)
        return self._stage(pipeline, f"m{depth}-{len(self.stages)}", False)

    def _stage(self, pipeline: str, model: str, first: bool) -> int:
        dice = self.dice
        weights = dice.rng.dirichlet(np.ones(dice.whole(1, 4))).tolist()
        tiny = dice.chance(0.4)
        queues = tuple(dice.whole(1, 3) if tiny else dice.pick([4, 10, 100]) for _ in range(5))
        pack = dice.whole(1, MAX_PACK) if first or dice.chance(0.2) else 1
        self.stages.append(Stage(pipeline, model, first, () if first else tuple(weights), queues, pack))
        return len(self.stages) - 1

    def _edge(self, source: int, target: int) -> None:
        object_class = self.dice.whole(0, len(self.classes) - 1) if self.stages[source].first else -1
        self.edges.append(Edge(source, target, object_class, self.dice.pick([3000, 6000, 40_000])))

    def place(self) -> None:
        dice = self.dice
        for s, stage in enumerate(self.stages):
            most = len(self.device_list) if stage.first else 3
            for d in sorted(dice.rng.permutation(len(self.device_list))[: dice.whole(1, most)].tolist()):
                for replica in range(2 if dice.chance(0.25) else 1):
                    self._instance(s, d, "", f"#{replica}" if replica else "")
                if dice.chance(0.2):
                    self._instance(s, d, "@small", "")

    def _instance(self, s: int, d: int, variant: str, suffix: str) -> None:
        dice, device, stage = self.dice, self.device_list[d], self.stages[s]
        key = (stage.name + variant, device.type.name)
        if key not in self.profiles:
            first, more = dice.time(2, 60), dice.time(0.2, 10)
            infer = tuple(first + more * b for b in range(dice.whole(1, 8)))
            pre, post = dice.time(0.2, 20), dice.time(0.2, 10)
            self.profiles[key] = Profile(
                stage.model + variant, device.type.name, infer, pre, post, 0.0, False, "random"
            )
        profile = self.profiles[key]
        first_gpu = sum(other.type.gpus for other in self.device_list[:d])
        self.instances.append(
            Instance(
                id=f"{device.id}/{stage.name}{variant}{suffix}",
                device=d,
                gpu=first_gpu + dice.whole(0, device.type.gpus - 1),
                stage=s,
                profile=profile,
                recall=dice.pick([1.0, 0.9, 0.6]) if variant else 1.0,
                max_pack=stage.max_pack,
                max_batch=profile.max_batch,
                thread_actions=4,
                initial=random_settings(dice, stage.max_pack, profile.max_batch),
                safe=random_settings(dice, stage.max_pack, profile.max_batch),
                active=dice.chance(0.95),
            )
        )

    def sources(self) -> None:
        dice = self.dice
        firsts = [s for s, stage in enumerate(self.stages) if stage.first]
        for d, device in enumerate(self.device_list):
            if device.role == SERVER:
                continue
            for n in range(dice.pick([0, 1, 2, 2]) if d else dice.whole(1, 3)):
                s = dice.pick(firsts)
                name = self.stages[s].pipeline
                fps, size = dice.pick([2.0, 7.5, 15.0, 29.97]), dice.pick([10_000, 150_000])
                self.cameras.append(Camera(f"{device.id}/{n}", d, name, s, fps, size, self.slo_ns[name]))

    def connect(self) -> None:
        edges = list(enumerate(self.edges))
        ends = [
            (i, x.device, e.target, k) for i, x in enumerate(self.instances) for k, e in edges if e.source == x.stage
        ]
        ends += [(len(self.instances) + c, camera.device, camera.stage, -1) for c, camera in enumerate(self.cameras)]
        for group, (source, device, stage, edge) in enumerate(ends):
            possible = [i for i, x in enumerate(self.instances) if x.stage == stage]
            targets = sorted(self.dice.rng.permutation(possible)[: self.dice.whole(1, 5)].tolist())
            targets.sort(key=lambda i: self.instances[i].device != device)
            for target, share in zip(targets, self.dice.shares(len(targets)), strict=True):
                self.routes.append(Route(source, stage, target, group, share, edge))


def random_settings(dice: Dice, max_pack: int, max_batch: int) -> Settings:
    timeout_ns = dice.pick([0, 0, DEADLINE, dice.time(1, 200)])
    return Settings(dice.whole(1, max_pack), dice.whole(1, max_batch), dice.whole(1, 3), dice.whole(1, 3), timeout_ns)


def random_options(dice: Dice) -> SimOptions:
    """The contract's in every other scenario."""
    delayed = SimOptions(delay_steps=int(dice.chance(0.2)))
    if dice.chance(0.5):
        return delayed
    return replace(
        delayed,
        exponential_pre=dice.chance(0.3),
        exponential_infer=dice.chance(0.3),
        exponential_post=dice.chance(0.3),
        poisson_arrivals=dice.chance(0.3),
        contention=dice.chance(0.7),
        pause_ns=dice.pick([0, MS, 5 * MS]),
        spread=dice.pick(["tijdeman", "wrr"]),
    )


def random_scenario(seed: int) -> Scenario:
    """1 to 4 camera devices, 1 or 2 servers, 1 to 3 pipelines of depth 1 to 3, and 20 periods of workload."""
    dice = Dice(seed, 1, whole_ms=seed % WHOLE_MS_EVERY == 0)
    builder = _Builder(dice)
    builder.devices()
    builder.pipelines()
    builder.place()
    builder.sources()
    builder.connect()
    cluster = Cluster(
        name=f"random-{seed}",
        devices=tuple(builder.device_list),
        cameras=tuple(builder.cameras),
        stages=tuple(builder.stages),
        edges=tuple(builder.edges),
        instances=tuple(builder.instances),
        routes=tuple(builder.routes),
        classes=builder.classes,
        slo_ns=builder.slo_ns,
        period_ns=dice.pick([1000, 1000, 500, 200]) * MS,
        lazy_drop=dice.chance(0.5),
        link_latency_ns=dice.pick([5 * MS, 1]),
        settings_validity=dice.whole(1, 3),
        share_validity=dice.whole(1, 4),
    )
    counts, rates = count_table(dice, len(builder.classes)), rate_table(dice)
    plan = FixedPlan(workload(dice, cluster.C, cluster.D, cluster.period_ns, PERIODS))
    return Scenario(cluster.name, "random", cluster, counts, rates, plan, PERIODS, options=random_options(dice))


def random_decisions(scenario: Scenario, seed: int, steps: int) -> list[Decision]:
    """Decisions in which every field is kept or set by chance; thread requests repeat, rows are kept for a while."""
    dice = Dice(seed, 2)
    cluster = scenario.cluster
    threads = [(1, 1)] * cluster.S
    silent = [0] * cluster.S
    decisions = []
    for _ in range(steps):
        decision = Decision.keep(cluster)
        for i, instance in enumerate(cluster.instances):
            if dice.chance(0.08):
                decision.active[0, i] = dice.chance(0.95)
            silent[i] = dice.whole(2, 5) if dice.chance(0.1) else silent[i] - 1
            if silent[i] > 0:
                continue
            drawn = random_settings(dice, instance.max_pack, instance.max_batch)
            if dice.chance(0.4):
                threads[i] = (drawn.pre, drawn.post)
            wanted = {"pack": drawn.pack, "batch": drawn.batch, "pre": threads[i][0], "post": threads[i][1]}
            for name, value in {**wanted, "timeout_ns": drawn.timeout_ns}.items():
                if dice.chance(0.3 if name == "pack" else 0.6):
                    getattr(decision, name)[0, i] = value
        decision.share_milli[0] = _random_shares(dice, cluster)
        decision.validate(cluster, 1)
        decisions.append(decision)
    return decisions


def _random_shares(dice: Dice, cluster: Cluster) -> np.ndarray:
    shares = np.full(cluster.R, KEEP_SHARE, np.uint16)
    for group in range(cluster.groups):
        if dice.chance(0.3):
            members = [r for r, route in enumerate(cluster.routes) if route.group == group]
            shares[members] = dice.shares(len(members))
    return shares
