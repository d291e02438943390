"""The parts of benchmarks/speed.py: how to time, what to time, what to print."""
