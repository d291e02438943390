"""Native adapters for learning libraries, one module each; importing one needs its library (extra `train`)."""
