"""Options of the simulated runtime. The defaults are the contract's; the rest serves tests and comparison."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SimOptions:
    """`exponential_*`: service times drawn from an exponential law with the profile's mean. `poisson_arrivals`:
    frames at
    exponential gaps. `contention`: False = batches in service and threads do not slow each other down.
    `pause_ns`: rest of inferencer and post threads after each batch. `spread`: "tijdeman" or "wrr"
    (smooth weighted round robin). `delay_steps`: decisions apply that many windows later, 0 or 1."""

    exponential_pre: bool = False
    exponential_infer: bool = False
    exponential_post: bool = False
    poisson_arrivals: bool = False
    contention: bool = True
    pause_ns: int = 1_000_000
    spread: str = "tijdeman"
    delay_steps: int = 0
