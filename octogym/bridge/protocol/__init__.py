"""Room for the messages and the sans-I/O state machines that host and node share; runs on Python 3.8."""
