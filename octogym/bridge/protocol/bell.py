"""A bell: any thread may ring it for the one that waits on sockets."""

from __future__ import annotations

import os
from contextlib import suppress


class Bell:
    """A pipe that can be waited for together with sockets: `descriptor` has something to read once it was rung."""

    def __init__(self) -> None:
        self.descriptor, self._rope = os.pipe()
        os.set_blocking(self.descriptor, False)
        os.set_blocking(self._rope, False)

    def ring(self) -> None:
        """Wake whoever waits. Returns at once."""
        with suppress(BlockingIOError):  # full: it is awake
            os.write(self._rope, b"!")

    def quiet(self) -> None:
        """Forget that it was rung; for the thread that waits, once it has woken."""
        with suppress(BlockingIOError):
            os.read(self.descriptor, 4096)

    def close(self) -> None:
        """Give both ends back. Neither thread may use it any more."""
        os.close(self._rope)
        os.close(self.descriptor)
