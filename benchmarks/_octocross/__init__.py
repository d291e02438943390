"""What the benchmarks of OctoCross share."""
