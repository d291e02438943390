"""A TCP proxy that spoils a connection: delay, rate, silence, resets. What goes through it is not looked at."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from contextlib import suppress
from types import TracebackType

#: Largest piece that is passed on at once.
_PIECE = 16_384
#: How often a held piece looks whether it may go.
_LOOK_S = 0.01
#: SO_LINGER that ends a connection with a reset.
_RESET = struct.pack("ii", 1, 0)


class Proxy:
    """Stands before a TCP server of this machine while the context lasts; its attributes may be set at any time.

    Attributes:
        address: where it listens, tcp://127.0.0.1:PORT.
        delay_s: how long every piece is held, in each direction.
        rate_bps: bit/s in each direction of each connection; 0 unlimited.
        blackhole: nothing passes, and no connection ends; what was held meanwhile goes on when it is over.
        connections: made so far.

    Args:
        target: the server, tcp://127.0.0.1:PORT.
    """

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition("//")[2].rpartition(":")
        self._target = (host, int(port))
        self.delay_s, self.rate_bps, self.blackhole, self.connections = 0.0, 0.0, False, 0
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server = self._loop.run_until_complete(asyncio.start_server(self._connected, "127.0.0.1", 0))
        self.address = f"tcp://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        self._thread = threading.Thread(target=self._run, name="octogym-proxy", daemon=True)

    def reset(self) -> None:
        """End all connections at once, as a router that restarts."""
        self._loop.call_soon_threadsafe(self._reset)

    def __enter__(self) -> Proxy:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    # --- inside -----------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._loop.run_forever()
            self._loop.run_until_complete(self._end())
        finally:
            self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        self._reset()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _reset(self) -> None:
        for writer in tuple(self._writers):
            end = writer.get_extra_info("socket")
            with suppress(OSError):  # it has ended already
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            writer.transport.abort()

    async def _connected(self, here: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        self._writers.add(back)
        try:
            there, on = await asyncio.open_connection(*self._target)
        except OSError:
            back.transport.abort()
            self._writers.discard(back)
            return
        self.connections += 1
        self._writers.add(on)
        try:
            await asyncio.gather(self._pass(here, on), self._pass(there, back))
        finally:
            for writer in (on, back):
                writer.transport.abort()
                self._writers.discard(writer)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One direction, from its first byte to its last."""
        held: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(256)
        sender = asyncio.ensure_future(self._send(held, writer))
        try:
            data = b"?"
            while data and not sender.done():
                data = await reader.read(_PIECE)
                await held.put((self._loop.time(), data))
            await sender
        except OSError:
            sender.cancel()
            writer.transport.abort()

    async def _send(self, held: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        free = 0.0
        while True:
            came, data = await held.get()
            while self.blackhole or (self.delay_s and self._loop.time() < came + self.delay_s):
                await asyncio.sleep(_LOOK_S if self.blackhole else came + self.delay_s - self._loop.time())
            if not data:
                writer.close()
                return
            if self.rate_bps:
                free = max(free, self._loop.time()) + 8 * len(data) / self.rate_bps
                await asyncio.sleep(free - self._loop.time())
            writer.write(data)
            await writer.drain()
