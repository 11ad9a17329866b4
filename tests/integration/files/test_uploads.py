"""Uploads over HTTP: what is stored, what is refused, and what is left of what failed."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError

from planar.db.session import PlanarSession
from planar.files.models import PlanarFileMetadata
from planar.files.storage.base import Storage, StoredBytes
from planar.files.storage.errors import StorageFailed
from planar.files.storage.memory import MemoryStorage
from tests.integration.files.conftest import FilesApi, OpenFiles
from tests.integration.http.conftest import OpenApi, invalid, problem_of

pytestmark = pytest.mark.anyio

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20


async def test_an_upload_answers_the_files_in_their_order(open_files: OpenFiles) -> None:
    async with open_files() as api:
        answer = await api.send(("a.txt", b"one", "text/plain"), ("b.png", PNG, "image/png"))
        assert answer.status_code == 200
        first, second = answer.json()
        assert first.keys() == {"id", "filename", "content_type", "size"}
        assert (first["filename"], first["content_type"], first["size"]) == ("a.txt", "text/plain", 3)
        assert (second["filename"], second["content_type"], second["size"]) == ("b.png", "image/png", len(PNG))
        assert (await api.content(second["id"])).content == PNG
        metadata = (await api.get(f"/file/{first['id']}/metadata")).json()
        assert metadata["sha256"] == hashlib.sha256(b"one").hexdigest()
        assert metadata["run_id"] is None
        assert await api.refs() == await api.recorded()


async def test_an_empty_file_and_a_file_without_a_name_or_a_type_are_files(open_files: OpenFiles) -> None:
    async with open_files() as api:
        stored = await api.store("empty.bin", b"", "")
        assert (stored["size"], stored["content_type"]) == (0, "application/octet-stream")
        assert (await api.content(stored["id"])).content == b""
        body = b'--x\r\nContent-Disposition: form-data; name="files"; filename=""\r\n\r\nabc\r\n--x--\r\n'
        answer = await api.post("/file/upload", content=body, headers={"content-type": "multipart/form-data; boundary=x"})
        (nameless,) = answer.json()
        assert (nameless["size"], nameless["content_type"], len(nameless["filename"])) == (3, "application/octet-stream", 36)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("/abs/olute.txt", "olute.txt"),
        ("a\u202etxt.exe", "atxt.exe"),
        ("con.txt", "_con.txt"),
        (".htaccess", "htaccess"),
        ("x" * 400 + ".pdf", "x" * 251 + ".pdf"),
    ],
)
@pytest.mark.store_independent
async def test_a_name_is_never_a_path(open_files: OpenFiles, given: str, kept: str) -> None:
    async with open_files() as api:
        assert (await api.store(given))["filename"] == kept


@pytest.mark.store_independent
async def test_a_name_cannot_add_a_header(open_files: OpenFiles) -> None:
    async with open_files() as api:
        # As no well-meant client would write it.
        name = b'a%0d%0aSet-Cookie: b\x0b\xe2\x82\xac\\".txt'
        body = b'--x\r\nContent-Disposition: form-data; name="files"; filename="%b"\r\n\r\n.\r\n--x--\r\n' % name
        answer = await api.post("/file/upload", content=body, headers={"content-type": "multipart/form-data; boundary=x"})
        answered = await api.content(answer.json()[0]["id"])
        assert "set-cookie" not in answered.headers
        disposition = answered.headers["content-disposition"]
        assert disposition.startswith('attachment; filename="')
        assert "\r" not in disposition
        assert "\n" not in disposition
        assert disposition.count('"') == 2


LIES = [
    ("photo.png", b"<html><script>alert(1)</script>", "image/png", "text/html"),
    ("photo.png", b"  <!-- x --><SvG onload=alert(1)>", "image/png", "image/svg+xml"),
    ("photo.png", b"MZ\x90\0", "image/png", "application/vnd.microsoft.portable-executable"),
    ("photo.png", b"just text", "image/png", "application/octet-stream"),
    ("doc.pdf", PNG, "application/pdf", "image/png"),
    ("page.txt", b"\xff\xfe" + "<html>".encode("utf-16-le"), "application/json", "text/html"),
    ("a.bin", b"abc", "not a type at all\r\nX: y", "application/octet-stream"),
]


@pytest.mark.parametrize(("name", "data", "claimed", "recorded"), LIES)
@pytest.mark.store_independent
async def test_a_type_that_the_bytes_contradict_is_not_kept(
    open_files: OpenFiles, name: str, data: bytes, claimed: str, recorded: str
) -> None:
    async with open_files() as api:
        head = f'--x\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\nContent-Type: {claimed}\r\n\r\n'
        answer = await api.post(
            "/file/upload",
            content=head.encode() + data + b"\r\n--x--\r\n",
            headers={"content-type": "multipart/form-data; boundary=x"},
        )
        assert answer.json()[0]["content_type"] == recorded


async def test_a_file_over_the_limit_is_refused_whatever_was_announced_and_nothing_of_it_remains(open_files: OpenFiles) -> None:
    async with open_files(max_file_bytes=1000, max_files_per_upload=2) as api:
        problem_of(await api.send(("a.bin", b"x" * 1001)), 413, "file_too_large")
        assert await api.refs() == set()
        assert (await api.send(("a.bin", b"x" * 1000))).status_code == 200


async def test_a_stream_without_end_is_cut_off(open_files: OpenFiles) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        yield b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
        while True:
            sent += 10_000
            yield b"a" * 10_000

    async with open_files(max_file_bytes=100_000, max_files_per_upload=1) as api:
        answer = await api.post("/file/upload", content=endless(), headers={"content-type": "multipart/form-data; boundary=x"})
        problem_of(answer, 413, "payload_too_large")
        assert sent < 400_000
        assert await api.refs() == set()


async def test_of_several_files_those_that_are_not_taken_are_told_one_by_one(open_files: OpenFiles) -> None:
    async with open_files(max_file_bytes=10, allowed_types=["text/*"]) as api:
        answer = await api.send(("a.txt", b"a", "text/plain"), ("b.txt", b"b" * 11, "text/plain"), ("c.png", PNG[:9], "text/plain"))
        assert answer.status_code == 207
        first, second, third = answer.json()["items"]
        assert (first["index"], first["filename"], first["error"]) == (0, "a.txt", None)
        assert (await api.content(first["file"]["id"])).content == b"a"
        assert (second["index"], second["file"], second["error"]["code"]) == (1, None, "file_too_large")
        assert (third["index"], third["file"], third["error"]["code"]) == (2, None, "file_type_refused")
        assert await api.refs() == await api.recorded()
        assert len(await api.refs()) == 1


async def test_a_refused_type_cannot_be_had_by_another_name(open_files: OpenFiles) -> None:
    async with open_files(refused_types=["text/html", "image/svg+xml"]) as api:
        for claim in ("text/html", "image/png", "application/octet-stream"):
            problem_of(await api.send(("a.html", b"<!doctype html><p>", claim)), 415, "file_type_refused")
        problem_of(await api.send(("a.html", b"no markup", "text/html")), 415, "file_type_refused")
        assert await api.refs() == set()


async def test_more_files_than_allowed_are_refused_whole(open_files: OpenFiles) -> None:
    async with open_files(max_files_per_upload=2) as api:
        problem_of(await api.send(*[(f"{number}.txt", b"x") for number in range(3)]), 413, "too_many_files")
        assert await api.refs() == set()
        assert (await api.get("/file/")).json()["total"] == 0


BODIES = [
    (b"", "multipart/form-data; boundary=x"),
    (b"{}", "application/json"),
    (b"--x\r\n", "multipart/form-data"),
    (b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\nhalf', "multipart/form-data; boundary=x"),
    (b"--x\r\nContent-Disposition: form-data\r\n\r\nabc\r\n--x--\r\n", "multipart/form-data; boundary=x"),
    (b'--x\r\nContent-Disposition: form-data; name="files"\r\n\r\na value\r\n--x--\r\n', "multipart/form-data; boundary=x"),
    (b"garbage that is no form", "multipart/form-data; boundary=x"),
    (b"--x\r\n" + b"A: " + b"b" * 50_000 + b"\r\n\r\n\r\n--x--", "multipart/form-data; boundary=x"),
    (b'--x\r\nContent-Disposition: form-data; name="other"; filename="a"\r\n\r\nabc\r\n--x--\r\n', "multipart/form-data; boundary=x"),
]


@pytest.mark.parametrize(("body", "kind"), BODIES)
@pytest.mark.store_independent
async def test_a_body_that_is_no_form_with_files_is_refused_and_leaves_nothing(open_files: OpenFiles, body: bytes, kind: str) -> None:
    async with open_files() as api:
        problem_of(await api.post("/file/upload", content=body, headers={"content-type": kind}), 400, "upload_malformed")
        assert await api.refs() == set()


@pytest.mark.store_independent
async def test_a_form_without_files_is_told(open_files: OpenFiles) -> None:
    async with open_files() as api:
        body = b'--x\r\nContent-Disposition: form-data; name="other"\r\n\r\nabc\r\n--x--\r\n'
        answer = await api.post("/file/upload", content=body, headers={"content-type": "multipart/form-data; boundary=x"})
        assert invalid(answer) == [("body.files", "missing")]


async def test_the_same_bytes_are_stored_once_if_the_settings_say_so(open_files: OpenFiles) -> None:
    async with open_files(deduplicate=True) as api:
        first, second = await api.store("a.txt", b"same"), await api.store("b.txt", b"same")
        assert len(await api.refs()) == 1
        assert (await api.client.delete(f"/planar/v1/file/{first['id']}")).status_code == 204
        assert (await api.content(second["id"])).content == b"same"
        assert (await api.collect()).orphans == 0
        assert (await api.client.delete(f"/planar/v1/file/{second['id']}")).status_code == 204
        assert await api.refs() == set()


async def test_a_storage_that_fails_is_a_503_and_leaves_no_record(open_files: OpenFiles) -> None:
    class Broken(MemoryStorage):
        async def write(self, stream: AsyncIterator[bytes], **options: Any) -> StoredBytes:  # type: ignore[override]
            async for _ in stream:
                pass
            raise StorageFailed

    async with open_files(storage=Broken()) as api:
        problem_of(await api.send(("a.txt", b"x"), ("b.txt", b"y")), 503, "storage_failed")
        assert (await api.get("/file/")).json()["total"] == 0


@pytest.mark.store_independent
async def test_without_a_storage_the_routes_are_there_and_say_so(open_api: OpenApi) -> None:
    async with open_api() as api:
        assert api.app.services.find(Storage) is None
        answer = await api.post("/file/upload", files=[("files", ("a", b"x"))])
        problem_of(answer, 503, "storage_not_configured")
        problem_of(await api.post("/file/uploads", {"filename": "a", "size": 1}), 503, "storage_not_configured")
        unknown = "01900000-0000-7000-8000-000000000000"
        problem_of(await api.get(f"/file/{unknown}/content"), 404, "file_not_found")
        assert (await api.get("/file/")).json()["items"] == []


@pytest.mark.store_independent
async def test_only_the_routes_that_read_as_it_arrives_take_large_bodies(open_files: OpenFiles) -> None:
    large = b'{"filename": "' + b"x" * 2_000_000 + b'"}'
    async with open_files() as api:
        for path in ("/file/uploads", "/file/upload/", "/file/uploadx", "/workflows/events/emit"):
            answer = await api.post(path, content=large, headers={"content-type": "application/json"})
            problem_of(answer, 413, "payload_too_large")
        assert (await api.send(("large.bin", b"x" * 2_000_000))).status_code == 200


class Lossy:
    """The next commit of the app's sessions fails, before it happened or after."""

    def __init__(self, patch: pytest.MonkeyPatch, error: BaseException, *, committed: bool) -> None:
        commit = PlanarSession.commit

        async def losing(session: PlanarSession) -> None:
            if not any(isinstance(each, PlanarFileMetadata) for each in session.identity_map.values()):
                return await commit(session)
            patch.undo()
            if committed:
                await commit(session)
            raise error

        patch.setattr(PlanarSession, "commit", losing)


async def upload_directly(api: FilesApi, data: bytes) -> tuple[int, str]:
    expected = (await api.post("/file/uploads", {"filename": "a.txt", "size": len(data)})).json()
    assert (await api.client.put(expected["upload_url"], content=data)).status_code == 204
    return (await api.client.post(expected["complete_url"])).status_code, expected["complete_url"]


async def upload_in_a_form(api: FilesApi, data: bytes) -> tuple[int, str]:
    return (await api.send(("a.txt", data))).status_code, ""


UPLOADS = pytest.mark.parametrize("upload", [upload_in_a_form, upload_directly])


@UPLOADS
async def test_a_record_that_was_committed_keeps_its_bytes_though_the_answer_of_the_commit_was_lost(
    open_files: OpenFiles, monkeypatch: pytest.MonkeyPatch, upload: Callable[[FilesApi, bytes], Awaitable[tuple[int, str]]]
) -> None:
    async with open_files() as api:
        Lossy(monkeypatch, OperationalError("COMMIT", {}, Exception("connection lost")), committed=True)
        assert (await upload(api, b"kept"))[0] >= 500
        (file,) = (await api.get("/file/")).json()["items"]
        assert (await api.content(file["id"])).content == b"kept"


@UPLOADS
async def test_a_commit_that_the_database_refused_leaves_no_bytes_and_may_be_tried_again(
    open_files: OpenFiles, monkeypatch: pytest.MonkeyPatch, upload: Callable[[FilesApi, bytes], Awaitable[tuple[int, str]]]
) -> None:
    async with open_files() as api:
        Lossy(monkeypatch, IntegrityError("COMMIT", {}, Exception("refused")), committed=False)
        status, again = await upload(api, b"kept")
        assert (status, await api.recorded()) == (409, set())
        # An announced upload waits still: it can be completed.
        assert len(await api.refs()) == bool(again)
        if again:
            assert (await api.client.post(again)).status_code == 200
            assert await api.refs() == await api.recorded()
