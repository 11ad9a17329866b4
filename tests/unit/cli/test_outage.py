from __future__ import annotations

import asyncio
import json

import pytest

from planar.cli import outage as module
from planar.cli.listener import open_listener
from planar.cli.outage import Outage

pytestmark = pytest.mark.anyio


async def exchange(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    return answer


@pytest.mark.parametrize("request_bytes", [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b""])
async def test_every_connection_gets_503(request_bytes: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REQUEST_SECONDS", 0.05)
    with open_listener("127.0.0.1", 0) as listener:
        outage = Outage(listener)
        await outage.open()
        await outage.open()
        head, _, body = (await exchange(listener.getsockname()[1], request_bytes)).partition(b"\r\n\r\n")
        outage.close()
        outage.close()
    assert head.startswith(b"HTTP/1.1 503 ")
    assert f"Content-Length: {len(body)}".encode() in head
    assert json.loads(body)["code"] == "not_running"


async def test_after_its_end_the_next_server_gets_the_connections() -> None:
    with open_listener("127.0.0.1", 0) as listener:
        outage = Outage(listener)
        await outage.open()
        outage.close()

        async def served(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.write(b"served")
            writer.close()

        server = await asyncio.start_server(served, sock=listener.dup())
        assert await exchange(listener.getsockname()[1], b"x") == b"served"
        server.close()
