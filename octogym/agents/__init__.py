"""Policies that control one instance each: the rivals without learning, and the learned iAgents."""
