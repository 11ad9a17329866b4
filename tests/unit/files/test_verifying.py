from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator

import pytest

from planar.files.errors import FileDamaged
from planar.files.verifying import peeked, verified

pytestmark = pytest.mark.anyio


async def stream(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def test_what_is_right_passes_as_it_is() -> None:
    assert [chunk async for chunk in verified(stream(b"a", b"", b"bc"), 3, digest(b"abc"))] == [b"a", b"bc"]
    assert [chunk async for chunk in verified(stream(), 0, digest(b""))] == []


@pytest.mark.parametrize("chunks", [(b"a", b"bX"), (b"abc", b"d"), (b"ab",), (), (b"abcd", b"e" * 100)])
async def test_of_what_is_wrong_the_end_is_never_given(chunks: tuple[bytes, ...]) -> None:
    given: list[bytes] = []
    with pytest.raises(FileDamaged):
        async for chunk in verified(stream(*chunks), 3, digest(b"abc")):
            given.append(chunk)  # noqa: PERF401 - what came before the error counts
    assert len(b"".join(given)) < 3 or b"".join(given) != b"abc"
    assert len(b"".join(given)) < len(b"".join(chunks)) or not chunks


@pytest.mark.parametrize("length", [1, 2, 3, 100])
async def test_a_look_at_the_beginning_takes_nothing_away(length: int) -> None:
    head, whole = await peeked(stream(b"a", b"bc", b"def"), length)
    assert len(head) >= min(length, 6)
    assert b"".join([chunk async for chunk in whole]) == b"abcdef"
