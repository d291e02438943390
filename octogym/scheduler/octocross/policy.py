"""OctoCross as a policy: the scheduling loop around a trained model."""

from __future__ import annotations

from octogym.scheduler.errors import SchedulerError
from octogym.scheduler.octocross.decider import OctoCrossDecider
from octogym.scheduler.octocross.file import read_octocross
from octogym.scheduler.octocross.rule import DEFAULT, RULES
from octogym.scheduler.octocross.shipped import SHIPPED, checkpoint_file
from octogym.scheduler.offload.finetune import Tuning
from octogym.scheduler.offload.loop import LoopSettings
from octogym.scheduler.offload.policy import OffloadPolicy
from octogym.scheduler.policy import words

#: How the model is trained on while it decides, by word.
TUNINGS = {"finetune": Tuning(), "finetune-inline": Tuning(inline=True)}
WORDS = ("shares", *RULES, *TUNINGS)


class OctoCrossPolicy(OffloadPolicy):
    """OctoCross (ICSOC 2025): a spatio-temporal model forecasts every node's load and scores every pair of nodes; a
    projection turns that into shares within everyone's limits, every 15 s or when a node becomes overloaded.

    Args:
        argument: `FILE[,WORD,...]`, a checkpoint of `octogym train octocross` or the name of one that is shipped
            (`octogym.scheduler.octocross.shipped`). Words: `shares`: instance settings are left to another policy.
            `plus` (as it is without a word) or `published`: how scores become shares, ours or the paper's way, see
            `octogym.scheduler.octocross.rule`. `finetune`: train on in a thread when devices come and go;
            `finetune-inline`: the same between two windows, so that a simulated run repeats.
        loop: times of the loop; None: the published ones.

    Raises:
        SchedulerError: no file, or another word.
        TensorFileError: a file that cannot be used.
    """

    def __init__(self, argument: str | None = None, loop: LoopSettings | None = None) -> None:
        file, _, rest = (argument or "").partition(",")
        if not file:
            raise SchedulerError(
                f"policy octocross needs a checkpoint, octocross:FILE[,{'][,'.join(WORDS)}]; octogym train octocross "
                f"leaves one, and FILE may be {' or '.join(SHIPPED)}, which is shipped"
            )
        chosen = words("octocross", rest, WORDS)
        rules, tunings = ([word for word in chosen if word in choice] for choice in (RULES, TUNINGS))
        for found, choice in ((rules, RULES), (tunings, TUNINGS)):
            if len(found) > 1:
                raise SchedulerError(f"policy octocross: {rest!r}: expected at most one of {', '.join(choice)}")
        self.file = read_octocross(checkpoint_file(file))
        rule = RULES[rules[0] if rules else DEFAULT]
        super().__init__(
            OctoCrossDecider(self.file.config, self.file.arrays, self.file.ids, rule),
            settings="shares" not in chosen,
            loop=loop,
            known=(*self.file.ids.known,),
            history=self.file.config.history,
            targets=rule.targets,
            tuning=TUNINGS[tunings[0]] if tunings else None,
        )
