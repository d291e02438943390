"""What the command line's words stand for."""

from __future__ import annotations

from argparse import Namespace

import pytest

from octogym.cli.choose import UsageError, policies_of, scenario_of, seeds_of, split_names


def test_a_list_of_policies_keeps_the_commas_of_their_arguments():
    names = split_names("random,static:batch=4,pre=2,car.post=1,rate-rule:0.2,car=0.3,tuned-static", ",")
    assert names == ["random", "static:batch=4,pre=2,car.post=1", "rate-rule:0.2,car=0.3", "tuned-static"]


def test_policies_that_run_together_are_joined_by_a_plus():
    chosen = policies_of(Namespace(policy=["static:batch=2", "random"], label=[], compare="rate-rule+static:pre=1"))
    assert chosen == {
        "static:batch=2+random": ["static:batch=2", "random"],
        "rate-rule+static:pre=1": ["rate-rule", "static:pre=1"],
    }


def test_without_a_policy_the_rate_rule_runs():
    assert policies_of(Namespace(policy=[], label=[], compare="")) == {"rate-rule": ["rate-rule"]}


@pytest.mark.parametrize("compare", ["fast", "random,fast", "static:batch=2,x=3+fast:1"])
def test_a_name_that_is_none_is_refused_or_belongs_to_an_argument(compare):
    if ":" in compare:
        assert list(policies_of(Namespace(policy=[], label=[], compare=compare))) == [compare]
    else:
        with pytest.raises(UsageError, match="no policy 'fast'"):
            policies_of(Namespace(policy=[], label=[], compare=compare))


def test_seeds():
    assert seeds_of("3") == [3] and seeds_of("0..3") == [0, 1, 2, 3]


def test_keys_of_the_scenario_can_be_replaced():
    options = Namespace(scenario="traffic-2", traces="synthetic", slo_ms=120.0, set=["horizon_s=50", "drop=none"])
    scenario = scenario_of(options, "test")
    assert scenario.horizon_s == 50 and not scenario.cluster.lazy_drop
    assert set(scenario.cluster.slo_ns.values()) == {120_000_000}
    assert scenario.synthetic_traces and scenario.provenance["split"] == "test"


def test_policies_that_run_together_may_have_a_label():
    labels = ["both=static:batch=2,pre=1+random", "one = rate-rule"]
    chosen = policies_of(Namespace(policy=[], compare="random", label=labels))
    assert chosen == {"random": ["random"], "both": ["static:batch=2,pre=1", "random"], "one": ["rate-rule"]}
    for wrong in ("both", "=random", "both="):
        with pytest.raises(UsageError, match="LABEL=A"):
            policies_of(Namespace(policy=[], compare="", label=[wrong]))
    with pytest.raises(UsageError, match="is taken"):
        policies_of(Namespace(policy=[], compare="random", label=["random=static"]))
    with pytest.raises(UsageError, match="no policy"):
        policies_of(Namespace(policy=[], compare="", label=["x=nobody"]))
