"""What the benchmarks of FCPO share."""
