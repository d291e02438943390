"""The rules that the checks hold things against. A broken one is named in the error's first line."""

from __future__ import annotations

# Environments.
ENV_API = "an environment follows PettingZoo's parallel API: dicts over the agents, observations in their spaces"
ENV_SAME_SPACES = "observation_space(agent) and action_space(agent) return the same object every time"
ENV_DETERMINISM = "same seed, same actions, same bytes: observations, rewards, ends and infos, over several episodes"
ENV_PROCESS = "the same seed and actions give the same bytes in another process"
ENV_OWNERSHIP = (
    "what a step returned belongs to the user: later steps do not change it, and changing it changes no step"
)
ENV_NO_TERMINATION = "the task goes on for ever: no agent is terminated"
ENV_TRUNCATION = (
    "all agents are truncated together, in the last step of the horizon, and `agents` is constant until then"
)
ENV_FIGURES = "the last infos of an episode hold its figures"
ENV_AFTER_END = "after an episode's end actions are refused until reset()"
ENV_ABSENT = "agents of an absent device stay: observation frozen, reward 0, mask 0, their actions change nothing"
ENV_BAD_ACTION = "an action out of range or of the wrong shape raises ValueError that names the agent"
ENV_ACCOUNTING = (
    "arrived + in_stage before = completed + dropped_full + dropped_late + failed + lost + in_stage after, "
    "for every instance in every step"
)
ENV_RESULTS = "generated = on time + late + dropped + missed + lost + in flight, over the totals, in every step"

# Backends.
BACKEND_API = "a backend follows octogym.cluster.backend.Backend"
BACKEND_ARRAYS = "telemetry arrays have the documented shapes and types"
BACKEND_KEEPS_ARRAYS = "a Telemetry keeps its arrays: a step writes into them, or returns another Telemetry"
BACKEND_START = "reset() returns the state at time 0: counters 0, the scenario's initial settings in force"
BACKEND_PERIOD = "step() advances every environment by exactly one period"
BACKEND_DETERMINISM = "same seed, same decisions, same bytes, over several episodes"
BACKEND_PROCESS = "the same seed and decisions give the same bytes in another process"
BACKEND_ALONE = "environment e of a batch with seed s does what it does alone with seed s + e"
BACKEND_MASK = "reset(mask) begins the marked environments and leaves the others as they are"
BACKEND_SETTINGS = "a decision's pack, batch and timeout are in force in its window; -1 keeps what was"
BACKEND_DECISION = "step() does not change the decision it is given"
BACKEND_ACCOUNTING = ENV_ACCOUNTING
BACKEND_RESULTS = ENV_RESULTS
BACKEND_TOTALS = "every total is the sum of its windows since the reset, and no counter is negative"
BACKEND_ABSENT = "instances of an absent device do nothing and hold nothing"
BACKEND_SNAPSHOT = "after restore(snapshot()) the same decisions give the same bytes"

# Policies.
POLICY_API = "a policy follows octogym.cluster.backend.Policy: scope, period_s, reset, act, feedback, state_dict, load"
POLICY_DECISION = "act() returns a Decision [E, S] that is valid for the cluster"
POLICY_READS_ONLY = "act() and feedback() change nothing in the view"
POLICY_DETERMINISM = "same seed, same views, same decisions"
POLICY_ALONE = "what a policy decides for environment e of a batch with seed s is what it decides alone with seed s + e"
POLICY_STATE = "load(state_dict()) gives back the same state"

# Scenarios.
SCENARIO_PLAN = "the same seed and options plan the same workload"
SCENARIO_SEEDS = "different seeds plan different workloads, or run differently"


class BrokenRule(AssertionError):
    """A rule of this module does not hold. `rule`: which; `found`: what was seen instead."""

    def __init__(self, rule: str, found: str) -> None:
        super().__init__(f"{rule}\n  found: {found}")
        self.rule, self.found = rule, found


def require(holds: object, rule: str, found: str) -> None:
    """Raise `BrokenRule` unless `holds`."""
    if not holds:
        raise BrokenRule(rule, found)
