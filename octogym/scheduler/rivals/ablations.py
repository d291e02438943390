"""OctoCross without one of its two halves, as policies (section 5.4, Fig. 9)."""

from __future__ import annotations

from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.octocross.rule import DEFAULT, RULES
from octogym.scheduler.rivals.decider import by_distream, by_scores
from octogym.scheduler.rivals.policies import RivalPolicy


class TempAblPolicy(RivalPolicy):
    """Temp-Abl: the forecast is a separate LSTM's; spatial embedding, head and projection are OctoCross's.

    Args:
        argument: `FILE[,shares][,published|plus]`, see `RivalPolicy`; how scores become shares is as in
            `OctoCrossPolicy`.
    """

    def __init__(self, argument: str | None = None) -> None:
        file, _, rest = (argument or "").partition(",")
        chosen = [word for word in rest.split(",") if word in RULES]
        if len(chosen) > 1:
            raise SchedulerError(f"policy temp-abl: {rest!r}: expected at most one of {', '.join(RULES)}")
        others = ",".join(word for word in rest.split(",") if word not in RULES)
        rule = RULES[chosen[0] if chosen else DEFAULT]
        more = f",{others}" if others else ""
        super().__init__("temp-abl", by_scores(rule), f"{file}{more}", targets=rule.targets)


class SpatAblPolicy(RivalPolicy):
    """Spat-Abl: the forecast is OctoCross's without its spatial embedding; the decision is Distream's greedy rule.

    Args:
        argument: `FILE[,shares]`, see `RivalPolicy`.
    """

    def __init__(self, argument: str | None = None) -> None:
        super().__init__("spat-abl", by_distream, argument)
