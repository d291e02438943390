"""What the benchmarks of published systems share: runs on test workloads, kept figures, tables and pages."""
