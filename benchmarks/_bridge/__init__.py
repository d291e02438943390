"""What the benchmarks of the bridge share."""
