"""The scheduling loop of request offloading (OctoCross, Algorithm 1), whatever decides in it.

`sample` and `decider` say what a decision is made of, `sampler` makes samples from telemetry, `devices` and `trigger`
say who is there and when to decide, `loop` puts them together without a clock or a network of its own, `adaptation`
trains in the background (`finetune`) on what was `collected`, and `policy` is all of it as a `Policy` on any backend.
"""
