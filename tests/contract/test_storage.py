"""The promises of a storage of files, on every one that there is."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from planar.errors import PlanarError
from planar.files.storage.base import ByteRange, Storage, StoredBytes
from planar.files.storage.errors import FileTooLarge, InvalidStorageRef, StoredFileExists, StoredFileNotFound
from tests.contract.storage_world import MIB, Place, chunks, content, digest, listed

pytestmark = pytest.mark.anyio

CONTENTS = {
    "nothing": (),
    "one byte": (b"\x00",),
    "empty chunks between": (b"", b"ab", b"", b"c", b""),
    "odd chunks": (b"x" * 65_537, b"y" * 999_983, b"z"),
    "one block exactly": (b"b" * MIB,),
    "one part exactly": (b"p" * (8 * MIB),),
    "one byte more than a part": (b"p" * (8 * MIB), b"q"),
    "a single chunk of many blocks": (bytes(range(256)) * 4096 * 5,),
}

NOT_REFS = [
    "",
    "../x",
    "a/b",
    "/etc/passwd",
    "\x00",
    "a" * 10_000,
    "..",
    f"{uuid4()}/..",
    f"{uuid4()}\n",
    str(uuid4()).upper(),
    f"{{{uuid4()}}}",
    uuid4().hex,
]


@pytest.mark.parametrize("parts", CONTENTS.values(), ids=CONTENTS.keys())
async def test_what_was_written_is_read_and_counted_and_summed(storage: Storage, parts: tuple[bytes, ...]) -> None:
    data = b"".join(parts)
    stored = await storage.write(chunks(*parts))
    assert stored == StoredBytes(stored.ref, len(data), digest(data))
    assert str(UUID(stored.ref)) == stored.ref
    assert UUID(stored.ref).version == 7
    assert await content(storage, stored.ref) == data
    found = await storage.stat(stored.ref)
    assert found is not None
    assert (found.ref, found.size) == (stored.ref, len(data))
    assert abs(datetime.now(UTC) - found.modified_at) < timedelta(minutes=1)
    assert await listed(storage) == {stored.ref: found}


async def test_twenty_megabytes_come_back_the_same(storage: Storage) -> None:
    data = random.Random(5).randbytes(20 * 1000 * 1000)
    stored = await storage.write(chunks(*(data[start : start + 300_007] for start in range(0, len(data), 300_007))))
    assert (stored.size, stored.sha256) == (len(data), digest(data))
    assert digest(await content(storage, stored.ref)) == digest(data)


async def test_a_reference_of_the_callers_choice_is_used_once(storage: Storage) -> None:
    ref = str(uuid4())
    assert (await storage.write(chunks(b"first"), ref=ref)).ref == ref
    for parts in ((b"second",), (b"s" * (9 * MIB),)):
        with pytest.raises(StoredFileExists) as caught:
            await storage.write(chunks(*parts), ref=ref)
        assert isinstance(caught.value, FileExistsError)
    assert await content(storage, ref) == b"first"


async def test_of_several_writes_of_one_reference_one_wins(place: Place) -> None:
    ref = str(uuid4())
    contents = [bytes([number]) * 1000 for number in range(8)]
    results = await asyncio.gather(*(place.storage.write(chunks(data), ref=ref) for data in contents), return_exceptions=True)
    won = [result for result in results if isinstance(result, StoredBytes)]
    assert len(won) == 1
    assert sum(isinstance(result, StoredFileExists) for result in results) == 7
    assert won[0].sha256 == digest(await content(place.storage, ref))
    assert place.leftovers() == []


@pytest.mark.parametrize("before", [0, 1, 3 * MIB, 20 * MIB])
async def test_a_stream_that_fails_leaves_nothing(place: Place, before: int) -> None:
    async def broken() -> AsyncIterator[bytes]:
        for start in range(0, before, 512 * 1024):
            yield b"x" * min(512 * 1024, before - start)
        raise ConnectionError("gone")

    ref = str(uuid4())
    with pytest.raises(ConnectionError, match="gone"):
        await place.storage.write(broken(), ref=ref)
    assert await place.storage.stat(ref) is None
    assert await listed(place.storage) == {}
    assert place.leftovers() == []


@pytest.mark.parametrize("size", [1, 2 * MIB, 20 * MIB])
async def test_a_limit_admits_what_it_says_and_not_a_byte_more(place: Place, size: int) -> None:
    data = b"d" * size
    fitting = await place.storage.write(chunks(data), max_bytes=size)
    with pytest.raises(FileTooLarge, match=f"larger than the {size - 1} bytes") as caught:
        await place.storage.write(chunks(data[: size // 2], data[size // 2 :]), max_bytes=size - 1)
    assert caught.value.status == 413
    assert list(await listed(place.storage)) == [fitting.ref]
    assert place.leftovers() == []


async def test_more_than_the_limit_is_not_even_asked_for(storage: Storage) -> None:
    asked = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal asked
        while True:
            asked += 1
            yield b"x" * MIB

    with pytest.raises(FileTooLarge):
        await storage.write(endless(), max_bytes=3 * MIB)
    assert asked == 4


@pytest.mark.parametrize(
    ("start", "end"),
    [
        (0, None), (0, 10), (3, 7), (9, 10), (4, None), (0, 1), (5, 1000),
        (10, None), (10, 20), (11, None), (5000, 6000), (0, 0), (7, 7), (99, 99),
    ],
)  # fmt: skip
async def test_a_range_gives_those_of_its_bytes_that_exist(storage: Storage, start: int, end: int | None) -> None:
    ref = await storage.put_bytes(b"0123456789")
    assert await content(storage, ref, ByteRange(start, end)) == b"0123456789"[start:end]


async def test_a_range_of_a_large_file_crosses_its_blocks(storage: Storage) -> None:
    data = random.Random(1).randbytes(3 * MIB)
    ref = await storage.put_bytes(data)
    assert await content(storage, ref, ByteRange(MIB - 1, 2 * MIB + 3)) == data[MIB - 1 : 2 * MIB + 3]


@pytest.mark.parametrize("byte_range", [None, ByteRange(0, 1), ByteRange(5, None), ByteRange(3, 3)])
async def test_what_is_missing_is_an_error_before_the_first_chunk(storage: Storage, byte_range: ByteRange | None) -> None:
    with pytest.raises(StoredFileNotFound) as caught:
        await storage.read(str(uuid4()), byte_range)
    assert isinstance(caught.value, FileNotFoundError)
    assert caught.value.status == 404


async def test_what_is_missing_has_no_size_no_type_and_can_be_deleted(storage: Storage) -> None:
    ref = str(uuid4())
    assert await storage.stat(ref) is None
    assert await storage.mime_type(ref) is None
    await storage.delete(ref)
    with pytest.raises(StoredFileNotFound):
        await storage.get(ref)


async def test_a_deleted_file_is_gone_and_its_neighbours_stay(storage: Storage) -> None:
    refs = [await storage.put_bytes(bytes([number])) for number in range(3)]
    await storage.delete(refs[1])
    await storage.delete(refs[1])
    assert set(await listed(storage)) == {refs[0], refs[2]}
    assert await storage.stat(refs[1]) is None
    with pytest.raises(StoredFileNotFound):
        await storage.read(refs[1])
    assert await content(storage, refs[2]) == b"\x02"


async def test_a_deleted_reference_can_be_written_again(storage: Storage) -> None:
    ref = str(uuid4())
    await storage.write(chunks(b"old"), ref=ref, mime_type="text/plain")
    await storage.delete(ref)
    await storage.write(chunks(b"new"), ref=ref)
    assert await content(storage, ref) == b"new"
    assert await storage.mime_type(ref) in (None, "application/octet-stream")


@pytest.mark.parametrize("ref", NOT_REFS, ids=[f"{number}" for number in range(len(NOT_REFS))])
async def test_only_a_reference_is_taken_for_one(place: Place, ref: str) -> None:
    storage = place.storage
    attempts = [
        lambda: storage.write(chunks(b"x"), ref=ref), lambda: storage.read(ref), lambda: storage.stat(ref), lambda: storage.delete(ref),
        lambda: storage.mime_type(ref), lambda: storage.get(ref), lambda: storage.get_bytes(ref),
    ]  # fmt: skip
    for attempt in attempts:
        with pytest.raises(InvalidStorageRef) as caught:
            await attempt()
        assert isinstance(caught.value, ValueError)
        assert ref == "" or ref not in str(caught.value)
    assert await listed(storage) == {}


async def test_the_type_that_was_told_is_remembered(storage: Storage) -> None:
    told = await storage.write(chunks(b"{}"), mime_type="application/json; charset=utf-8")
    assert await storage.mime_type(told.ref) == "application/json; charset=utf-8"
    untold = await storage.write(chunks(b"x"))
    assert await storage.mime_type(untold.ref) in (None, "application/octet-stream")


@pytest.mark.parametrize("mime_type", ["", "text/plain\r\nX-Evil: 1", "text/\x00", "é/x", "a" * 256])
async def test_a_type_that_would_break_a_header_is_refused(place: Place, mime_type: str) -> None:
    with pytest.raises(ValueError, match="printable ASCII"):
        await place.storage.write(chunks(b"x"), mime_type=mime_type)
    assert await listed(place.storage) == {}


async def test_whole_values_are_stored_by_the_names_that_applications_know(storage: Storage) -> None:
    cases = {
        "text/plain": "text/plain; charset=latin-1",
        "text/csv; Charset=utf-16": "text/csv; Charset=utf-16",
        "application/json": "application/json",
    }
    for given, kept in cases.items():
        ref = await storage.put_string("Grüße", "latin-1", given)
        assert await storage.get_bytes(ref) == ("Grüße".encode("latin-1"), kept)
        assert await storage.get_string(ref, "latin-1") == ("Grüße", kept)
    stream, mime_type = await storage.get(await storage.put(chunks(b"a", b"b"), "image/png"))
    assert (b"".join([chunk async for chunk in stream]), mime_type) == (b"ab", "image/png")
    with pytest.raises(UnicodeDecodeError):
        await storage.get_string(await storage.put_bytes(b"\xff"))


async def test_a_hundred_small_files_at_once_are_all_there(storage: Storage) -> None:
    contents = [f"file {number}".encode() for number in range(100)]
    stored = await asyncio.gather(*(storage.write(chunks(data), mime_type="text/plain") for data in contents))
    assert len({one.ref for one in stored}) == 100
    assert await asyncio.gather(*(content(storage, one.ref) for one in stored)) == contents
    assert set(await listed(storage)) == {one.ref for one in stored}


async def test_a_sweep_removes_old_leftovers_and_no_file(place: Place) -> None:
    ref = await place.storage.put_bytes(b"kept", "text/plain")
    expected = 2 * int(place.abandon() and place.abandon())
    assert await place.storage.sweep(place.before_leftovers) == 0
    assert len(place.leftovers()) == expected
    assert await place.storage.sweep(datetime.now(UTC) + timedelta(hours=1)) == expected
    assert place.leftovers() == []
    assert await place.storage.get_bytes(ref) == (b"kept", "text/plain")
    with pytest.raises(ValueError, match="time zone"):
        await place.storage.sweep(datetime(2026, 1, 1))  # noqa: DTZ001  what is refused


@pytest.mark.parametrize("sent", [0, 3 * MIB, 20 * MIB])
async def test_a_write_that_is_cancelled_while_it_waits_for_its_stream_leaves_nothing(place: Place, sent: int) -> None:
    stalled = asyncio.Event()

    async def stalling() -> AsyncIterator[bytes]:
        if sent:
            yield b"x" * sent
        stalled.set()
        await asyncio.Event().wait()

    writing = asyncio.create_task(place.storage.write(stalling()))
    await stalled.wait()
    writing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await writing
    assert await listed(place.storage) == {}
    assert place.leftovers() == []


@pytest.mark.parametrize("size", [10, 3 * MIB, 17 * MIB])
async def test_a_write_that_is_cancelled_at_any_moment_is_whole_or_not_there(place: Place, size: int) -> None:
    """However far it came: cancelled means that nothing is left, and an answer that the file is."""
    for turns in [*range(12), 20, 40, 80]:
        writing = asyncio.create_task(place.storage.write(chunks(*[b"x" * min(size, MIB)] * max(1, size // MIB))))
        for _ in range(turns):
            await asyncio.sleep(0)
        writing.cancel()
        try:
            stored = await writing
        except asyncio.CancelledError:
            assert await listed(place.storage) == {}
        else:
            assert len(await content(place.storage, stored.ref)) == size
            await place.storage.delete(stored.ref)
        assert place.leftovers() == []


async def test_a_reader_may_stop_early(storage: Storage) -> None:
    ref = await storage.put_bytes(b"x" * (5 * MIB))
    stream = await storage.read(ref)
    async for chunk in stream:
        assert chunk
        break
    await stream.aclose()  # type: ignore[attr-defined]  # every adapter gives a generator
    await storage.read(ref)  # never even begun
    assert len(await content(storage, ref)) == 5 * MIB


async def test_a_storage_that_was_closed_twice_is_closed(storage: Storage) -> None:
    await storage.put_bytes(b"x")
    await storage.close()
    await storage.close()


@pytest.mark.parametrize(("start", "end"), [(-1, None), (5, 4), (-3, -1)])
def test_a_range_that_ends_before_it_begins_is_refused(start: int, end: int | None) -> None:
    with pytest.raises(ValueError, match="range of bytes"):
        ByteRange(start, end)


async def test_what_goes_wrong_is_an_error_of_planars(storage: Storage) -> None:
    with pytest.raises(PlanarError):
        await storage.read(str(uuid4()))
