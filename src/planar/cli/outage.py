"""What is answered while there is no server? 503 at once, so that nobody waits for an app that does not start."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import suppress

_BODY = json.dumps(
    {"detail": "The app is not running. The terminal of `planar dev` says why; it starts again at the next change.", "code": "not_running"}
).encode()
_ANSWER = b"".join(
    [
        b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\nConnection: close\r\n",
        f"Content-Length: {len(_BODY)}\r\n\r\n".encode(),
        _BODY,
    ]
)
_REQUEST_SECONDS = 2


class Outage:
    """Takes connections in place of the server, from `open` to `close`."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        """Answer from now on."""
        if self._server is None:
            # A copy: closing it leaves the port open for the next server.
            self._server = await asyncio.start_server(_answer, sock=self._listener.dup())

    def close(self) -> None:
        """Take no more connections. Those already taken are still answered."""
        if self._server is not None:
            self._server.close()
            self._server = None


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    # A client that says nothing, too much, or goes away gets the same.
    with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError):
        async with asyncio.timeout(_REQUEST_SECONDS):
            await reader.readuntil(b"\r\n\r\n")
    with suppress(OSError):
        writer.write(_ANSWER)
        await writer.drain()
    writer.close()
