"""The version, where every room may read it: importing the package itself would lead to the rooms above."""

__version__ = "0.1.0"
