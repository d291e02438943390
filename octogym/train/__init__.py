"""Room for the training loops, with checkpoints, resuming and logging."""
