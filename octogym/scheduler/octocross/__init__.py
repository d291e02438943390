"""OctoCross: request offloading between cameras' devices from a joint model of space and time (ICSOC 2025).

`labels`, `windows`, `ids`, `edges`, `config`, `projection`, `dataset`, `batches` and `bound` need NumPy (`bound` also
SciPy), and so does `inference`, the model's decisions without torch (compiled by Numba at first use); `model` and its
parts, `attention`, `projection_torch`, `loss`, `adam`, `fit`, `finetune`, `file` and `released` need torch, which the
extra `train` installs.
"""
