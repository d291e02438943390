"""The table of issue 2: rows, their lines, and what each is to reach."""

from __future__ import annotations

from benchmarks._speed.result import Goal, Line

LINES = (
    Line("bare-replay", "full semantics on fcpo-testbed / bare replay", Goal(0.06, 0.2), "simulator:bare_replay"),
    Line("event-list", "simulator / event list of the tests, traffic-2", Goal(50, 200), "simulator:traffic_2"),
    Line("event-list", "simulator / event list, fcpo-testbed", Goal(50, 200), "simulator:fcpo_testbed"),
    Line("mpe2", "ParallelEnv on scale-16 / mpe2 simple_spread N=16", Goal(15, 60), "environments:mpe2"),
    Line("own-kernel", "ParallelEnv, 16 agents / our kernel", Goal(0.85), "environments:parallel"),
    Line("own-kernel", "VectorEnv n=256 / our kernel", Goal(0.95), "environments:vector"),
    Line("own-kernel", "SB3 VecEnv n=256 / our kernel", Goal(0.9), "environments:sb3"),
    Line("adapters", "overhead, SB3 VecEnv / SuperSuit", Goal(0.1, at_most=True), "adapters:supersuit"),
    Line("adapters", "overhead, TorchRL EnvBase / PettingZooWrapper", Goal(0.025, at_most=True), "adapters:torchrl"),
    Line("threads", "two threads / one, 256 environments", Goal(1.6), "threads:many"),
    Line("threads", "two threads / one, one environment", Goal(1.0, decimals=2), "threads:single"),
    Line("ppo-share", "env.step's share of PPO, 16 agents", Goal(25, 10, " %", at_most=True), "ppo:share_16"),
    Line("ppo-share", "env.step's share of PPO, 256 agents", Goal(40, 20, " %", at_most=True), "ppo:share_256"),
    Line("memory", "memory per environment of 16 agents", Goal(1, None, " MB", at_most=True), "memory:per_environment"),
    Line("memory", "growth over 10^6 agent-steps", Goal(1, None, " MB", at_most=True), "memory:growth"),
    Line("start", "import + make + first step, warm cache", Goal(1, 0.7, " s", at_most=True), "start:warm"),
    Line("start", "import + make + first step, cold", Goal(20, 8, " s", at_most=True), "start:cold"),
)

#: What `--rows` takes, in the order of the table; `layers` is the section after it.
ROWS = (*dict.fromkeys(line.row for line in LINES), "layers")

#: Rows that may use every core.
ALL_CORES = ("threads",)
