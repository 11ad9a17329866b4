"""Chunks of any size become blocks of one."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planar.files.storage.blocks import blocks, pieces
from planar.files.storage.errors import FileTooLarge

pytestmark = pytest.mark.anyio


async def stream(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


@given(chunks=st.lists(st.binary(max_size=30), max_size=20), size=st.integers(1, 12))
async def test_nothing_is_lost_added_or_reordered(chunks: list[bytes], size: int) -> None:
    given = [block async for block in blocks(stream(*chunks), size)]
    assert b"".join(given) == b"".join(chunks)
    assert all(len(block) == size for block in given[:-1])
    assert all(0 < len(block) <= size for block in given)


async def test_a_block_is_the_callers_to_keep() -> None:
    given = [block async for block in blocks(stream(b"aabb"), 2)]
    given[0] += b"c"
    assert given == [b"aac", b"bb"]


async def test_at_the_limit_nothing_is_refused_and_above_it_the_error_says_the_limit() -> None:
    assert [block async for block in blocks(stream(b"abc", b"de"), 10, 5)] == [b"abcde"]
    with pytest.raises(FileTooLarge, match="5 bytes") as caught:
        _ = [block async for block in blocks(stream(b"abc", b"def"), 10, 5)]
    assert caught.value.details == {"max_bytes": 5}


async def test_text_is_not_bytes() -> None:
    with pytest.raises(TypeError):
        _ = [block async for block in blocks(stream("text"), 10)]  # type: ignore[arg-type]  # what is tried


@pytest.mark.parametrize("size", [0, 1, 1_048_576, 1_048_577, 3_000_000])
def test_pieces_are_small_and_make_up_the_whole(size: int) -> None:
    data = bytes(range(256)) * (size // 256 + 1)
    given = list(pieces(memoryview(data)[:size]))
    assert b"".join(given) == data[:size]
    assert all(0 < len(piece) <= 1_048_576 for piece in given)
