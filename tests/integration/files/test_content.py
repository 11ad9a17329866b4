"""What a client gets of a file: whole, in part, not again; and never something that its browser would execute."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import unquote
from uuid import uuid4

import pytest

from planar.files.storage.base import ByteRange
from planar.files.storage.memory import MemoryStorage
from tests.integration.files.conftest import OpenFiles
from tests.integration.http.conftest import problem_of

pytestmark = [pytest.mark.anyio, pytest.mark.store_independent]

DATA = bytes(range(256)) * 40


async def test_a_download_says_how_long_it_is_what_it_is_and_which(open_files: OpenFiles) -> None:
    async with open_files() as api:
        stored = await api.store("Übersicht 2026.csv", b"a;b\n", "text/csv; charset=UTF-8; x=y")
        answer = await api.content(stored["id"])
        assert (answer.status_code, answer.content) == (200, b"a;b\n")
        headers = answer.headers
        assert headers["content-type"] == "text/csv; charset=utf-8"
        assert headers["content-length"] == "4"
        assert headers["accept-ranges"] == "bytes"
        assert headers["x-content-type-options"] == "nosniff"
        assert "sandbox" in headers["content-security-policy"]
        assert headers["cache-control"] == "private, no-cache"
        plain, _, whole = headers["content-disposition"].partition("; filename*=UTF-8''")
        assert plain == 'attachment; filename="_bersicht 2026.csv"'
        assert unquote(whole) == "Übersicht 2026.csv"
        metadata = (await api.get(f"/file/{stored['id']}/metadata")).json()
        assert headers["etag"] == f'"{metadata["sha256"]}"'


async def test_a_head_is_the_same_without_the_bytes(open_files: OpenFiles) -> None:
    async with open_files() as api:
        stored = await api.store(data=DATA)
        whole, head = await api.content(stored["id"]), await api.content(stored["id"], "HEAD")
        assert (head.status_code, head.content) == (200, b"")
        assert dict(whole.headers) == dict(head.headers)


RANGES = [
    ("bytes=0-0", 206, DATA[:1], "bytes 0-0/10240"),
    ("bytes=10-19", 206, DATA[10:20], "bytes 10-19/10240"),
    ("bytes=10000-", 206, DATA[10000:], "bytes 10000-10239/10240"),
    ("bytes=-5", 206, DATA[-5:], "bytes 10235-10239/10240"),
    ("bytes=-99999", 206, DATA, "bytes 0-10239/10240"),
    ("bytes=10239-99999999999999999", 206, DATA[-1:], "bytes 10239-10239/10240"),
    ("BYTES = 1 - 2", 206, DATA[1:3], "bytes 1-2/10240"),
    # What cannot be served as one part is served whole.
    ("bytes=0-1,5-6", 200, DATA, None),
    ("bytes=" + ",".join("0-" for _ in range(1000)), 200, DATA, None),
    ("bytes=5-2", 200, DATA, None),
    ("bytes=a-b", 200, DATA, None),
    ("bytes=", 200, DATA, None),
    ("bytes=-", 200, DATA, None),
    ("bytes=--5", 200, DATA, None),
    ("items=0-5", 200, DATA, None),
    ("bytes=0-" + "9" * 5000, 200, DATA, None),
    ("bytes=٣-٤".encode().decode("latin-1"), 200, DATA, None),
]


@pytest.mark.parametrize(("asked", "status", "data", "stated"), RANGES)
async def test_a_range_is_a_part_or_is_ignored(open_files: OpenFiles, asked: str, status: int, data: bytes, stated: str | None) -> None:
    async with open_files() as api:
        stored = await api.store(data=DATA)
        headers = {b"range": asked.encode("latin-1")}
        answer = await api.client.get(f"/planar/v1/file/{stored['id']}/content", headers=headers)  # type: ignore[arg-type]
        assert answer.status_code == status
        assert answer.content == data
        assert answer.headers.get("content-range") == stated
        assert answer.headers["content-length"] == str(len(data))


@pytest.mark.parametrize("asked", ["bytes=10240-", "bytes=99999-100000", "bytes=-0"])
async def test_a_range_outside_of_the_file_is_a_416_that_says_how_long_it_is(open_files: OpenFiles, asked: str) -> None:
    async with open_files() as api:
        stored = await api.store(data=DATA)
        answer = await api.content(stored["id"], range=asked)
        problem_of(answer, 416, "range_not_satisfiable")
        assert answer.headers["content-range"] == "bytes */10240"


async def test_a_client_that_has_it_gets_nothing_again(open_files: OpenFiles) -> None:
    async with open_files() as api:
        stored = await api.store()
        etag = (await api.content(stored["id"])).headers["etag"]
        for header in (etag, f"W/{etag}", f'"other", {etag}', "*"):
            answer = await api.content(stored["id"], if_none_match=header)
            assert (answer.status_code, answer.content) == (304, b"")
            assert answer.headers["etag"] == etag
        assert (await api.content(stored["id"], if_none_match='"other"')).status_code == 200


async def test_a_part_of_another_content_is_not_given(open_files: OpenFiles) -> None:
    async with open_files() as api:
        stored = await api.store(data=DATA)
        whole = await api.content(stored["id"])
        etag, modified = whole.headers["etag"], whole.headers["last-modified"]
        for same in (etag, modified):
            assert (await api.content(stored["id"], range="bytes=0-1", if_range=same)).status_code == 206
        for other in ('"other"', f"W/{etag}", "Thu, 01 Jan 1970 00:00:00 GMT"):
            answer = await api.content(stored["id"], range="bytes=0-1", if_range=other)
            assert (answer.status_code, answer.content) == (200, DATA)


@pytest.mark.parametrize(
    ("name", "data", "kind", "shown"),
    [
        ("a.png", b"\x89PNG\r\n\x1a\n", "image/png", True),
        ("a.txt", b"text", "text/plain", True),
        ("a.html", b"<!doctype html><script>x</script>", "text/html", False),
        ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml", False),
        ("a.xml", b"<?xml version='1.0'?><a/>", "application/xml", False),
        ("a.js", b"alert(1)", "text/javascript", False),
        ("a.pdf", b"%PDF-1.7", "application/pdf", False),
    ],
)
async def test_a_browser_shows_in_place_only_what_executes_nothing(
    open_files: OpenFiles, name: str, data: bytes, kind: str, shown: bool
) -> None:
    async with open_files() as api:
        stored = await api.store(name, data, kind)
        assert stored["content_type"] == kind
        answer = await api.content(stored["id"], query="?inline=true")
        assert answer.headers["content-disposition"].startswith("inline" if shown else "attachment")
        assert "sandbox" in answer.headers["content-security-policy"]
        assert (await api.content(stored["id"])).headers["content-disposition"].startswith("attachment")


async def test_what_is_not_there_is_a_404_before_anything_is_answered(open_files: OpenFiles) -> None:
    async with open_files() as api:
        problem_of(await api.content(str(uuid4())), 404, "file_not_found")
        for path in ("..%2f..%2fetc%2fpasswd", "not-an-id", "%00"):
            assert (await api.content(path)).status_code in (404, 422)
        stored = await api.store()
        (ref,) = await api.refs()
        await api.storage.delete(ref)
        problem_of(await api.content(stored["id"]), 404, "file_content_missing")


async def test_bytes_that_are_not_those_that_were_stored_are_never_given_whole(open_files: OpenFiles) -> None:
    class Altered(MemoryStorage):
        async def read(self, ref: str, byte_range: ByteRange | None = None) -> AsyncIterator[bytes]:
            async def other() -> AsyncIterator[bytes]:
                yield b"hel"
                yield b"LO"

            return other()

    async with open_files(storage=Altered()) as api:
        stored = await api.store()
        with pytest.raises(RuntimeError):  # the connection is cut
            await api.content(stored["id"])


async def test_a_storage_that_signs_addresses_gets_the_downloads(open_files: OpenFiles) -> None:
    class Signing(MemoryStorage):
        async def download_url(self, ref: str, **options: object) -> str | None:
            return f"https://storage.test/{ref}?name={options['filename']}"

    for redirects in (True, False):
        async with open_files(storage=Signing(), redirect_downloads=redirects) as api:
            stored = await api.store()
            answer = await api.content(stored["id"])
            assert answer.status_code == (307 if redirects else 200)
            if redirects:
                assert answer.headers["location"].endswith("?name=a.txt")
                link = (await api.get(f"/file/{stored['id']}/link")).json()
                assert link["url"].startswith("https://storage.test/")
            assert (await api.content(stored["id"], "HEAD")).headers["content-length"] == "5"
