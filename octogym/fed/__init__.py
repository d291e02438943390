"""Room for federated learning: aggregation, rounds, selection of clients, and the client that a device runs."""
