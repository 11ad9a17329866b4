from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as some

from planar.files.errors import UploadMalformed
from planar.files.forms import MAX_PARTS, FormReader

pytestmark = pytest.mark.anyio

HEADER = "multipart/form-data; boundary=edge"


async def pieces(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


def form(*parts: tuple[str, bytes]) -> bytes:
    return b"".join(b"--edge\r\n%b\r\n\r\n%b\r\n" % (head.encode(), data) for head, data in parts) + b"--edge--\r\n"


async def read(body: bytes, size: int = 7) -> list[tuple[str, str | None, str | None, bytes]]:
    found: list[tuple[str, str | None, str | None, bytes]] = []
    async for part in FormReader(HEADER, pieces(body, size)).parts():
        data = b"".join([chunk async for chunk in part.stream])
        found.append((part.name, part.filename, part.content_type, data))
    return found


@given(some.lists(some.binary(max_size=100), max_size=4), some.integers(1, 50))
async def test_a_form_is_the_same_in_pieces_of_any_size(contents: list[bytes], size: int) -> None:
    parts = [
        (f'Content-Disposition: form-data; name="files"; filename="{number}"\r\nContent-Type: a/b', data)
        for number, data in enumerate(contents)
        if b"--edge" not in data
    ]
    assert await read(form(*parts), size) == [
        ("files", str(number), "a/b", data) for number, data in enumerate(contents) if b"--edge" not in data
    ]


async def test_what_is_not_read_of_a_part_is_skipped() -> None:
    body = form(('content-disposition: form-data; name="a"; filename="x"', b"1" * 1000), ('Content-Disposition: form-data; name="b"', b"2"))
    names: list[tuple[str, bool]] = []
    async for part in FormReader(HEADER, pieces(body, 10)).parts():
        names.append((part.name, part.is_file))  # noqa: PERF401 - read as the loop shows
    assert names == [("a", True), ("b", False)]


async def test_names_are_read_as_utf_8_and_else_as_latin_1() -> None:
    body = b'--edge\r\nContent-Disposition: form-data; name="f"; filename="\xc3\xbc"\r\n\r\n\r\n'
    body += b'--edge\r\nContent-Disposition: form-data; name="f"; filename="\xfc"\r\n\r\n\r\n--edge--\r\n'
    assert [filename for _, filename, _, _ in await read(body)] == ["ü", "ü"]


@given(some.binary(max_size=300), some.integers(1, 50))
async def test_any_body_is_a_form_or_is_refused(body: bytes, size: int) -> None:
    for whole in (body, b"--edge" + body, b"--edge\r\n" + body + b"\r\n--edge--"):
        with suppress(UploadMalformed):
            await read(whole, size)


@pytest.mark.parametrize(
    "header", ["", "application/json", "multipart/form-data", "multipart/mixed; boundary=x", "multipart/form-data; boundary="]
)
def test_another_type_of_body_is_refused(header: str) -> None:
    with pytest.raises(UploadMalformed):
        FormReader(header, pieces(b"", 1))


async def test_a_form_has_an_end_and_not_too_many_parts() -> None:
    part = ('Content-Disposition: form-data; name="a"', b"")
    assert len(await read(form(*[part] * (MAX_PARTS - 1)), 10_000)) == MAX_PARTS - 1
    with pytest.raises(UploadMalformed, match="more than"):
        await read(form(*[part] * (MAX_PARTS + 1)), 10_000)
    with pytest.raises(UploadMalformed, match="in the middle"):
        await read(form(part)[:-6])
