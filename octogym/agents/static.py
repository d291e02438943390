"""The static policy: one fixed setting throughout."""

from __future__ import annotations

from octogym.agents.settings_table import Table, fixed_decision, parse_settings, read_settings
from octogym.agents.share_table import Shares, fixed_shares, read_shares
from octogym.agents.stateless import StatelessPolicy
from octogym.cluster.backend import View
from octogym.cluster.decision import Decision
from octogym.cluster.topology import Cluster


class StaticPolicy(StatelessPolicy):
    """Holds fixed settings, the same for all instances or by model, stage, device type or instance.

    Args:
        argument: items [TARGET.]FIELD=VALUE separated by commas, as in `batch=4,car.batch=8,nx-1/traffic.car.batch=2`;
            or a JSON file {"settings": {TARGET: {FIELD: VALUE}}, "shares": {SOURCE: {TARGET: THOUSANDTHS}}} (shares
            may be left out). FIELD is pack, batch, pre, post or timeout_ms (a
            number, 0 = none, or `deadline`). TARGET is a model, `pipeline.model`, `device-type/pipeline.model` or an
            instance id; without one the value holds for every instance; the particular overrides the general. What is
            not stated stays as the scenario starts it. None: everything stays.

    Raises:
        PolicyError: an item, target or value that cannot be used; at `reset` where the cluster decides.
    """

    def __init__(self, argument: str | None = None) -> None:
        self.settings: Table = {}
        self.shares: Shares = {}
        if argument and argument.endswith(".json"):
            self.settings, self.shares = read_settings(argument), read_shares(argument)
        elif argument:
            self.settings = parse_settings(argument)
        self._decision: Decision | None = None

    def reset(self, cluster: Cluster, num_envs: int, seed: int) -> None:
        decision = fixed_decision(self.settings, cluster, num_envs)
        _fill(decision, cluster)
        decision.share_milli[:] = fixed_shares(self.shares, cluster)
        self._decision = decision

    def act(self, view: View) -> Decision:
        assert self._decision is not None, "reset comes before act"
        return self._decision.copy()


def _fill(decision: Decision, cluster: Cluster) -> None:
    """What the table leaves open is the scenario's initial setting, stated, so that it does not expire."""
    for s, instance in enumerate(cluster.instances):
        for field in ("pack", "batch", "pre", "post", "timeout_ns"):
            column = getattr(decision, field)[:, s]
            column[column == -1] = getattr(instance.initial, field)
