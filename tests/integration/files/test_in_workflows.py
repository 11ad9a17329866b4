"""Files that workflow code stores and reads: they belong to the step, and to nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from planar.db.errors import SessionNotBound
from planar.files import PlanarFile, PlanarFileMetadata
from planar.files.errors import FileSizeMismatch, PathNotText
from planar.session import get_session
from planar.workflows import step, workflow
from tests.integration.files.conftest import FilesApi, OpenFiles, in_script

pytestmark = pytest.mark.anyio

attempts = 0


@step()
async def store_note(text: str) -> PlanarFile:
    return await PlanarFile.upload(text.encode(), "note.txt")


@step()
async def read(file: PlanarFile) -> str:
    return (await file.get_content()).decode()


@workflow()
async def noting(text: str) -> list[Any]:
    file = await store_note(text)
    return [file, await read(file)]


@step()
async def store_and_fail() -> None:
    await PlanarFile.upload(b"lost", "lost.txt")
    raise RuntimeError("after the upload")


@workflow()
async def failing() -> None:
    await store_and_fail()


@step(max_retries=2)
async def store_at_the_third_time() -> PlanarFile:
    global attempts
    attempts += 1
    file = await PlanarFile.upload(b"kept", "kept.txt")
    if attempts < 3:
        raise RuntimeError("not yet")
    return file


@workflow()
async def retrying() -> PlanarFile:
    return await store_at_the_third_time()


@workflow()
async def outside() -> str:
    try:
        await PlanarFile.upload(b"x", "x.txt")
    except SessionNotBound as error:
        return str(error)
    return "no error"


@step()
async def store_in_all_ways(folder: str) -> list[PlanarFile]:
    async def stream() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"part "

    path = Path(folder) / "on disk.csv"
    await asyncio.to_thread(path.write_bytes, b"a,b\n")
    return [
        await PlanarFile.upload(path, "renamed.csv"),
        await PlanarFile.upload(stream(), "parts"),
        await PlanarFile.upload_stream(stream(), "../parts.txt", "text/plain"),
        await PlanarFile.upload(b"", "empty.json"),
    ]


@workflow()
async def storing(folder: str) -> list[PlanarFile]:
    return await store_in_all_ways(folder)


@step()
async def look_at_the_record(file: PlanarFile) -> PlanarFile:
    assert type(file) is PlanarFile
    record = await file.get_metadata()
    assert isinstance(record, PlanarFileMetadata)
    assert isinstance(record, PlanarFile)
    return record.value()


@workflow()
async def passing(file: PlanarFile) -> PlanarFile:
    return await look_at_the_record(file)


@step()
async def store_and_refuse() -> list[str]:
    told: list[str] = []
    wrong: list[tuple[Any, type[Exception]]] = [
        ("/etc/passwd", PathNotText),
        ("/etc/passwd", TypeError),
        (17, TypeError),
        (Path("/does/not/exist"), FileNotFoundError),
    ]
    for content, kind in wrong:
        with pytest.raises(kind) as caught:
            await PlanarFile.upload(content, "a.txt")
        told.append(str(caught.value))
    for size in (2, 4):
        with pytest.raises(FileSizeMismatch):
            await PlanarFile.upload(b"abc", "a.txt", size=size)
    return told


@workflow()
async def refusing() -> list[str]:
    return await store_and_refuse()


ALL = [noting, failing, retrying, outside, storing, passing, refusing]


async def finish(api: FilesApi, name: str, **arguments: Any) -> Any:
    run = await api.finish(name, **arguments)
    assert run["status"] == "succeeded", run["error"]
    return run["result"]


async def test_a_file_travels_as_four_fields_and_is_recorded_with_its_step(open_files: OpenFiles) -> None:
    async with open_files(ALL) as api:
        file, text = await finish(api, "noting", text="hello")
        assert file.keys() == {"id", "filename", "content_type", "size"}
        assert (file["filename"], file["content_type"], file["size"], text) == ("note.txt", "text/plain", 5, "hello")
        recorded = (await api.get(f"/file/{file['id']}/metadata")).json()
        assert recorded["step_id"] == 1
        (reference,) = (await api.get(f"/file/{file['id']}/references")).json()
        assert (reference["kind"], reference["id"], reference["in_use"]) == ("made_by", recorded["run_id"], False)
        assert [each["id"] for each in (await api.get("/file/", run_id=recorded["run_id"])).json()["items"]] == [file["id"]]


async def test_a_step_that_fails_leaves_no_file_but_bytes_that_are_collected(open_files: OpenFiles) -> None:
    async with open_files(ALL) as api:
        run = await api.finish("failing")
        assert run["status"] == "failed"
        assert await api.recorded() == set()
        assert len(await api.refs()) == 1
        assert (await api.collect(dry_run=True)).orphans == 1
        assert len(await api.refs()) == 1
        assert (await api.collect()).orphans == 1
        assert await api.refs() == set()


async def test_a_step_that_is_tried_again_leaves_one_file(open_files: OpenFiles) -> None:
    global attempts
    attempts = 0
    async with open_files(ALL) as api:
        file = await finish(api, "retrying")
        assert len(await api.recorded()) == 1
        assert (await api.collect()).orphans == 2
        assert (await api.content(file["id"])).content == b"kept"


@pytest.mark.store_independent
async def test_workflow_code_is_told_to_use_a_step_before_a_byte_is_stored(open_files: OpenFiles) -> None:
    async with open_files(ALL) as api:
        assert "move the use into a step" in await finish(api, "outside")
        assert await api.refs() == set()


@pytest.mark.store_independent
async def test_bytes_streams_and_paths_are_stored(open_files: OpenFiles, tmp_path: Path) -> None:
    async with open_files(ALL) as api:
        files = await finish(api, "storing", folder=str(tmp_path))
        assert [(file["filename"], file["content_type"], file["size"]) for file in files] == [
            ("renamed.csv", "text/csv", 4),
            ("parts", "application/octet-stream", 15),
            ("parts.txt", "text/plain", 15),
            ("empty.json", "application/json", 0),
        ]
        assert (await api.content(files[1]["id"])).content == b"part part part "


@pytest.mark.store_independent
async def test_a_file_is_rebuilt_as_a_file_and_its_record_is_one_too(open_files: OpenFiles) -> None:
    async with open_files(ALL) as api:
        stored = await api.store()
        assert await finish(api, "passing", file=stored) == stored


@pytest.mark.store_independent
async def test_a_text_is_no_path(open_files: OpenFiles) -> None:
    async with open_files(ALL) as api:
        told = await finish(api, "refusing")
        assert "Path(...)" in told[0]
        assert await api.refs() == set()


async def test_a_script_decides_itself_when_its_files_are_kept(open_files: OpenFiles) -> None:
    async with open_files() as api:

        async def script() -> None:
            await PlanarFile.upload(b"lost", "lost.txt")
            await get_session().rollback()
            file = await PlanarFile.upload(b"kept" * 1000, "kept.txt")
            assert await file.get_content() == b"kept" * 1000
            assert b"".join([chunk async for chunk in await file.open(2, 6)]) == b"ptke"
            await get_session().commit()
            with pytest.raises(ValueError, match="There is no file"):
                await PlanarFile.load(uuid4())

        await in_script(api.app, script)
        assert len(await api.recorded()) == 1
        assert (await api.collect()).orphans == 1
