"""The way between the workers and the server, which may be slow, or break in several ways."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from types import TracebackType
from typing import Self

SOCKET = ".s.PGSQL.5432"
"""What the driver looks for in the folder that a URL names as its host."""


class Proxy:
    """Stands in *here*, and leads to the server whose socket is in *there*."""

    def __init__(self, here: Path, there: Path) -> None:
        self._here = here
        self._there = there
        self._server: asyncio.Server | None = None
        self._writers: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        """Of each connection, the way to the worker and the way to the server."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._open = asyncio.Event()
        self._open.set()
        self.delay = 0.0
        """How long everything takes, each way, in seconds."""
        self.broken = 0
        """How many connections were broken."""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._lead, self._here / SOCKET)
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        assert self._server is not None
        self._server.close()
        self.drop()
        self._open.set()
        if self._tasks:
            await asyncio.wait(list(self._tasks))

    def drop(self) -> None:
        """Break every connection, on both sides."""
        for worker, server in self._writers:
            worker.transport.abort()
            server.transport.abort()
        self.broken += len(self._writers)

    def close_towards_workers(self) -> None:
        """The workers hear that the connection has ended; the server hears nothing."""
        self._half_close([worker for worker, _ in self._writers])

    def close_towards_server(self) -> None:
        """The server hears that the connection has ended; the workers hear nothing, and what it still says is lost."""
        self._half_close([server for _, server in self._writers])

    def hold(self) -> None:
        """From now on nothing goes through, either way, and nobody is told."""
        self._open.clear()

    def let_go(self) -> None:
        """What was held goes through."""
        self._open.set()

    def _half_close(self, ends: list[asyncio.StreamWriter]) -> None:
        self.broken += len(ends)
        for writer in ends:
            with contextlib.suppress(OSError, RuntimeError):
                writer.write_eof()

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            from_server, to_server = await asyncio.open_unix_connection(self._there / SOCKET)
        except OSError:
            writer.transport.abort()
            return
        pair = (writer, to_server)
        self._writers.add(pair)
        pumps = [asyncio.ensure_future(self._pump(reader, to_server)), asyncio.ensure_future(self._pump(from_server, writer))]
        try:
            # What is said into a way that was closed resets the connection, on both sides: nobody waits for ever for an answer.
            await asyncio.wait(pumps, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            self._writers.discard(pair)
            writer.transport.abort()
            to_server.transport.abort()
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            if self.delay:
                await asyncio.sleep(self.delay)
            await self._open.wait()
            if writer.transport.is_closing():
                raise ConnectionResetError
            writer.write(data)
            await writer.drain()
        writer.write_eof()
