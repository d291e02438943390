"""Room for bringing a rack of nodes up, on this machine or from a roster."""
