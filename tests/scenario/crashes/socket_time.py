"""Virtual time beside a server: it stands still while a connection owes an answer, and jumps when none does."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from typing import Any

from tests.scenario.crashes.virtual_time import PATIENCE, VirtualTime

STARTUP_HEADER = 4
HEADER = 5
ASKED = frozenset(b"SQX")
"""Messages of PostgreSQL's protocol that are answered by one `READY`: Sync and Query; after Terminate the server hangs up."""
READY = ord("Z")
FLUSH = ord("H")
"""What was asked before is to be answered now: what a statement's rows look like, if all is well."""
FLUSHED = frozenset(b"TnEZ")


class _Messages:
    """Cuts a stream of PostgreSQL's protocol into messages."""

    def __init__(self, *, begins_untyped: bool) -> None:
        self._header = STARTUP_HEADER if begins_untyped else HEADER
        self._left = bytearray()

    def kinds(self, data: bytes) -> list[int]:
        """The types of the messages that *data* completes; the first of a client has none and is told as a Query."""
        self._left += data
        found: list[int] = []
        while len(self._left) >= self._header:
            typed = self._header == HEADER
            length = int.from_bytes(self._left[typed : typed + 4]) + typed
            if len(self._left) < length:
                break
            found.append(self._left[0] if typed else ord("Q"))
            del self._left[:length]
            self._header = HEADER
        return found


class _Transport:
    """A transport that notes what is asked."""

    def __init__(self, inner: asyncio.Transport, line: _Line) -> None:
        self._inner = inner
        self._line = line

    def write(self, data: Any) -> None:
        self._line.asked(bytes(data))
        self._inner.write(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)


class _Line(asyncio.Protocol):
    """One connection to the server: what it owes."""

    def __init__(self, loop: SocketLoop, inner: Any) -> None:
        self.inner = inner
        self.transport: _Transport | None = None
        self.is_flushing = False
        self.owed = 0
        self._loop = loop
        self._there, self._back = _Messages(begins_untyped=True), _Messages(begins_untyped=False)

    def asked(self, data: bytes) -> None:
        for kind in self._there.kinds(data):
            self.owed += kind in ASKED
            self.is_flushing = self.is_flushing or kind == FLUSH

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._loop.lines.append(self)
        self.transport = _Transport(transport, self)
        self.inner.connection_made(self.transport)

    def data_received(self, data: bytes) -> None:
        for kind in self._back.kinds(data):
            self.owed -= kind == READY
            self.is_flushing = self.is_flushing and kind not in FLUSHED
        self.inner.data_received(data)

    def eof_received(self) -> Any:
        return self.inner.eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        self._loop.lines.remove(self)
        self.inner.connection_lost(error)

    def pause_writing(self) -> None:
        self.inner.pause_writing()

    def resume_writing(self) -> None:
        self.inner.resume_writing()


class SocketLoop(asyncio.SelectorEventLoop):
    """An event loop that jumps to its next timer when nothing is left to do, no connection owes an answer and no thread is at work."""

    def __init__(self, time: VirtualTime) -> None:
        self.virtual = time
        self.lines: list[_Line] = []
        self._connecting = 0
        self._in_threads = 0
        super().__init__(_WaitingSelector(self))

    def time(self) -> float:
        return self.virtual.seconds

    @property
    def is_awaited(self) -> bool:
        """Whether something comes from outside."""
        return bool(self._connecting or self._in_threads or any(line.owed or line.is_flushing for line in self.lines))

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        future = super().run_in_executor(executor, func, *args)
        self._in_threads += 1
        future.add_done_callback(self._is_back)
        return future

    def _is_back(self, _: Any) -> None:
        self._in_threads -= 1

    async def create_unix_connection(self, protocol_factory: Callable[[], Any], *args: Any, **options: Any) -> Any:
        return await self._counted(super().create_unix_connection, protocol_factory, *args, **options)

    async def create_connection(self, protocol_factory: Callable[[], Any], *args: Any, **options: Any) -> Any:
        return await self._counted(super().create_connection, protocol_factory, *args, **options)

    async def _counted(self, connect: Callable[..., Any], protocol_factory: Callable[[], Any], *args: Any, **options: Any) -> Any:
        self._connecting += 1
        try:
            _, line = await connect(lambda: _Line(self, protocol_factory()), *args, **options)
        finally:
            self._connecting -= 1
        return line.transport, line.inner


class _WaitingSelector(selectors.DefaultSelector):
    """Asked with a timeout above zero, or none, the loop is idle."""

    def __init__(self, loop: SocketLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is not None and timeout <= 0:
            return super().select(0)
        if timeout is None or self._loop.is_awaited:
            found = super().select(PATIENCE)
            assert found or timeout is not None, "the event loop waits for nothing"
            return found
        found = super().select(0)
        if not found:
            self._loop.virtual.seconds += timeout
        return found
