"""The environments over any `Backend`."""
