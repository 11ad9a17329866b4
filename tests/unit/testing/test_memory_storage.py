"""Blobs in memory behave as blobs anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from uuid import UUID, uuid4

import pytest

from planar.testing import MemoryStorage

pytestmark = pytest.mark.anyio


async def chunks(*parts: bytes) -> AsyncGenerator[bytes]:
    for part in parts:
        yield part


async def read(storage: MemoryStorage, ref: str) -> tuple[list[bytes], str | None]:
    stream, mime_type = await storage.get(ref)
    return [chunk async for chunk in stream], mime_type


async def test_a_stream_comes_back_in_chunks_with_its_type() -> None:
    storage = MemoryStorage()
    ref = await storage.put(chunks(b"a" * 1_050_000, b"", b"b"), "image/png")
    parts, mime_type = await read(storage, ref)
    assert b"".join(parts) == b"a" * 1_050_000 + b"b"
    assert [len(part) for part in parts] == [1_048_576, 1_425]
    assert mime_type == "image/png"
    assert str(UUID(ref)) == ref


async def test_a_blob_can_be_read_again_and_is_empty_if_nothing_was_put() -> None:
    storage = MemoryStorage()
    ref = await storage.put(chunks())
    assert await read(storage, ref) == await read(storage, ref) == ([], None)
    assert await storage.get_bytes(ref) == (b"", None)


async def test_two_blobs_do_not_share_a_reference() -> None:
    storage = MemoryStorage()
    first, second = await asyncio.gather(storage.put_bytes(b"same"), storage.put_bytes(b"same"))
    await storage.delete(first)
    assert await storage.get_bytes(second) == (b"same", None)
    assert len(storage) == 1


async def test_text_says_its_charset_unless_it_has_one() -> None:
    storage = MemoryStorage()
    cases = {
        "text/plain": "text/plain; charset=latin-1",
        "text/csv; Charset=utf-16": "text/csv; Charset=utf-16",
        "application/json": "application/json",
        None: None,
    }
    for given, kept in cases.items():
        ref = await storage.put_string("Grüße", "latin-1", given)
        assert await storage.get_bytes(ref) == ("Grüße".encode("latin-1"), kept)
        assert await storage.get_string(ref, "latin-1") == ("Grüße", kept)
    assert (await storage.get_string(await storage.put_string("é")))[0] == "é"


async def test_what_is_not_there_is_an_error_and_can_be_deleted() -> None:
    storage = MemoryStorage()
    ref = await storage.put_bytes(b"x")
    await storage.delete(ref)
    await storage.delete(ref)
    for missing in (ref, str(uuid4())):
        with pytest.raises(FileNotFoundError, match=missing):
            await storage.get(missing)
        with pytest.raises(FileNotFoundError):
            await storage.get_bytes(missing)


async def test_a_reference_that_was_never_given_is_refused() -> None:
    storage = MemoryStorage()
    for call in (storage.get, storage.get_bytes, storage.get_string, storage.delete):
        with pytest.raises(ValueError, match="is a UUID"):
            await call("../etc/passwd")


async def test_a_stream_that_fails_leaves_nothing() -> None:
    async def broken() -> AsyncGenerator[bytes]:
        yield b"half"
        raise ConnectionError("gone")

    storage = MemoryStorage()
    with pytest.raises(ConnectionError):
        await storage.put(broken())
    assert len(storage) == 0


async def test_it_has_no_address_outside() -> None:
    storage = MemoryStorage()
    assert await storage.external_url(await storage.put_bytes(b"x")) is None
