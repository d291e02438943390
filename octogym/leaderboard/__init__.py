"""Room for the leaderboard: tasks, runner, statistics, verification and report."""
