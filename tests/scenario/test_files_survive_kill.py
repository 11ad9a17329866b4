"""A process is killed at each write of a file's life: no record is without its bytes, and after a collection no bytes without record."""

from __future__ import annotations

import asyncio
import hashlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from planar.clock import utc_now
from planar.db.manager import DatabaseManager
from planar.files.collecting import collect_orphans
from planar.files.storage.local_directory import LocalDirectoryStorage
from tests import stores
from tests.databases import Databases, databases_of
from tests.scenario import files_process

pytestmark = pytest.mark.anyio

WRITE = ["before the bytes", "in the middle of the bytes", "after the bytes"]
COMMIT = ["before the commit", "after the commit"]
REMOVE = ["before the bytes are removed", "after the bytes were removed"]
STORIES = {
    "upload": [*WRITE, *COMMIT],
    "delete": REMOVE,
    "direct": ["after the bytes", *COMMIT, *REMOVE],
    "step": ["after the bytes", "at the end of the step"],
    "collect": [*COMMIT, *REMOVE],
}


Play = Callable[[list[str]], int]


@pytest.fixture(scope="module")
def play() -> Iterator[Play]:
    """Play a story up to its point; how its process ended."""
    with subprocess.Popen([sys.executable, files_process.__file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        asked, answers = process.stdin, process.stdout

        def ask(told: list[str]) -> int:
            print(json.dumps(told), file=asked, flush=True)
            return int(next(line for line in answers if line.startswith("ended")).split()[1])

        yield ask
        asked.close()


@pytest.fixture(params=stores.kinds(stores.SQLITE, stores.POSTGRESQL))
async def databases(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Databases]:
    async with databases_of(request.param, tmp_path) as made:
        yield made


@pytest.mark.parametrize(("story", "point"), [(story, point) for story, points in STORIES.items() for point in points])
async def test_no_record_without_bytes_and_no_bytes_without_record(
    databases: Databases, tmp_path: Path, play: Play, story: str, point: str
) -> None:
    folder = tmp_path / "files"
    url = await databases.url()
    assert await asyncio.to_thread(play, [url, str(folder), story, point]) == -9

    storage = LocalDirectoryStorage(str(folder))
    records = await databases.ask("select storage_ref, sha256, size from {planar}planar_file_metadata")
    # At no moment, not only after a collection, is there a record without its bytes.
    assert {row[1] for row in records} == {hashlib.sha256(files_process.DATA).hexdigest()}
    for ref, digest, size in records:
        data, _ = await storage.get_bytes(ref)
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (digest, size)

    manager = DatabaseManager(url)
    await manager.connect()
    try:
        await databases.ask("delete from {planar}planar_file_upload")
        await collect_orphans(manager, storage, utc_now(), older_than=timedelta(seconds=-60))
        again = await collect_orphans(manager, storage, utc_now(), older_than=timedelta(seconds=-60))
    finally:
        await manager.disconnect()
    assert (again.orphans, again.unused, again.leftovers) == (0, 0, 0)
    assert {stored.ref async for stored in storage.list_objects()} == {row[0] for row in records}
    await storage.close()
    # Nor is anything left beside them: every file in the folder is as large as what was stored.
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file() and path.stat().st_size > 1000]
    assert sizes == [len(files_process.DATA)] * len(records)
