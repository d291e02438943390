"""OctoCross: request offloading between cameras' devices from a joint model of space and time (ICSOC 2025).

`labels`, `windows`, `ids`, `edges`, `config`, `projection` and `bound` need NumPy (`bound` also SciPy); `model` and its
parts, `projection_torch`, `loss` and `released` need torch, which the extra `train` installs.
"""
