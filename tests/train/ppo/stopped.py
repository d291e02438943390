"""A training that is told to stop in the middle."""

import signal


def stop_at(monkeypatch, owner, name, call):
    """Send SIGTERM to this process in the `call`-th call of a method."""
    method, calls = getattr(owner, name), []

    def counted(*args, **kwargs):
        calls.append(0)
        if len(calls) == call:
            signal.raise_signal(signal.SIGTERM)
        return method(*args, **kwargs)

    monkeypatch.setattr(owner, name, counted)
