"""What a directory promises beside what every storage does: what is on the disk, and what comes from elsewhere."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import sys
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from planar.files.storage import blob_files
from planar.files.storage.base import Storage
from planar.files.storage.errors import StorageFailed, StoredFileExists, StoredFileNotFound
from planar.files.storage.local_directory import LocalDirectoryStorage
from planar.files.storage.threads import Threads
from tests.contract.storage_world import MIB, chunks, content, listed

pytestmark = pytest.mark.anyio

TOMORROW = timedelta(days=1)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "files"


@pytest.fixture
async def storage(root: Path) -> AsyncIterator[LocalDirectoryStorage]:
    opened = LocalDirectoryStorage(root)
    yield opened
    await opened.close()


def files_of(root: Path) -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if not path.is_dir())


async def test_nothing_is_made_before_the_first_file(storage: Storage, root: Path) -> None:
    ref = str(uuid4())
    assert await storage.stat(ref) is None
    assert await listed(storage) == {}
    assert await storage.sweep(datetime.now(UTC)) == 0
    await storage.delete(ref)
    assert not root.exists()


async def test_a_file_stands_in_a_folder_of_the_end_of_its_reference(storage: Storage, root: Path) -> None:
    plain, typed = await storage.put_bytes(b"x"), await storage.put_bytes(b"y", "text/plain")
    assert files_of(root) == sorted([f"blob/{plain[-2:]}/{plain}", f"blob/{typed[-2:]}/{typed}", f"blob/{typed[-2:]}/{typed}.type"])
    await storage.delete(typed)
    assert files_of(root) == [f"blob/{plain[-2:]}/{plain}"]


async def test_bytes_are_on_the_disk_before_the_name_and_the_name_before_the_answer(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await storage.put_bytes(b"the folders are made")
    happened: list[str] = []
    fsync, link = os.fsync, os.link

    def noted_fsync(handle: int) -> None:
        happened.append(f"fsync {'folder' if os.path.isdir(f'/proc/self/fd/{handle}') else 'file'}")
        fsync(handle)

    def noted_link(*args: Any, **options: Any) -> None:
        happened.append("link")
        link(*args, **options)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "link", noted_link)
    await storage.put_bytes(b"x", "text/plain")
    while happened[1] == "fsync folder" and "link" not in happened[:2]:
        happened.pop(1)  # a shard that this reference is the first in
    assert happened == ["fsync file", "link", "fsync file", "fsync folder"]


async def test_a_small_file_is_one_hop_each_way(storage: LocalDirectoryStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    hops: list[object] = []
    run = Threads.run

    async def counted(self: Threads, job: Any, *args: Any, **kwargs: Any) -> Any:
        hops.append(job)
        return await run(self, job, *args, **kwargs)

    monkeypatch.setattr(Threads, "run", counted)
    stored = await storage.write(chunks(*[b"x" * 1000] * 1000))
    assert len(hops) == 1
    assert len(await content(storage, stored.ref)) == 1_000_000
    assert len(hops) == 2


async def test_what_a_symbolic_link_points_to_is_no_file(storage: Storage, root: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    ref = await storage.put_bytes(b"x")
    place = root / "blob" / ref[-2:] / ref
    place.unlink()
    place.symlink_to(secret)
    assert await storage.stat(ref) is None
    assert await listed(storage) == {}
    with pytest.raises(StoredFileNotFound):
        await storage.read(ref)
    with pytest.raises(StoredFileExists):
        await storage.write(chunks(b"overwritten"), ref=ref)
    await storage.delete(ref)
    assert secret.read_text() == "secret"


async def test_a_pipe_and_a_folder_are_no_files(storage: Storage, root: Path) -> None:
    ref = await storage.put_bytes(b"x")
    place = root / "blob" / ref[-2:] / ref
    place.unlink()
    for make in (os.mkfifo, os.mkdir):
        make(place)
        assert await storage.stat(ref) is None
        assert await listed(storage) == {}
        with pytest.raises(StoredFileNotFound):
            await asyncio.wait_for(storage.read(ref), 10)
        place.unlink() if place.is_fifo() else place.rmdir()


async def test_what_the_reference_product_stored_is_read_and_never_overwritten(storage: Storage, root: Path) -> None:
    ref = str(uuid4())
    for folder, text in (("blob", "old"), ("mime", "text/x-old")):
        (root / folder).mkdir(parents=True)
        (root / folder / ref).write_text(text)
    assert await storage.get_bytes(ref) == (b"old", "text/x-old")
    assert (await listed(storage)).keys() == {ref}
    with pytest.raises(StoredFileExists):
        await storage.write(chunks(b"new"), ref=ref)
    assert await storage.sweep(datetime.now(UTC) + TOMORROW) == 0
    await storage.delete(ref)
    assert files_of(root) == []


async def test_foreign_files_in_the_directory_are_not_listed(storage: Storage, root: Path) -> None:
    ref = await storage.put_bytes(b"x")
    (root / "blob" / "notes.txt").write_text("mine")
    (root / "blob" / ref[-2:] / f"{ref}.bak").write_text("mine")
    assert (await listed(storage)).keys() == {ref}
    assert await storage.sweep(datetime.now(UTC) + TOMORROW) == 0


async def test_without_hard_links_files_are_renamed_and_still_refused(
    storage: Storage, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_args: Any, **_options: Any) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refused)
    ref = await storage.put_bytes(b"x")
    with pytest.raises(StoredFileExists):
        await storage.write(chunks(b"y"), ref=ref)
    assert await content(storage, ref) == b"x"
    assert files_of(root) == [f"blob/{ref[-2:]}/{ref}"]


@pytest.mark.parametrize("at", ["write_all", "move_new", "write_new", "sync_folder"])
async def test_a_disk_that_fails_leaves_nothing_and_says_why(
    storage: Storage, root: Path, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    ref = str(uuid4())
    await storage.write(chunks(b"the folders are made"), ref=ref)
    await storage.delete(ref)

    def full(*_args: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(root))

    monkeypatch.setattr(blob_files, at, full)
    with pytest.raises(StorageFailed, match=r"^The directory of files failed: No space left on device\.$") as caught:
        await storage.write(chunks(b"x"), ref=ref, mime_type="text/plain")
    assert isinstance(caught.value, OSError)
    assert caught.value.status == 503
    assert files_of(root) == []


async def test_a_directory_that_is_a_file_is_an_error_without_its_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    storage = LocalDirectoryStorage(tmp_path / "file")
    for attempt in (storage.put_bytes(b"x"), storage.read(str(uuid4())), storage.stat(str(uuid4()))):
        with pytest.raises(StorageFailed) as caught:
            await attempt
        assert str(tmp_path) not in str(caught.value)
    await storage.close()


async def test_a_file_that_is_deleted_while_it_is_read_is_read_to_its_end(storage: Storage) -> None:
    ref = await storage.put_bytes(b"x" * (3 * MIB))
    stream = await storage.read(ref)
    first = await anext(stream)
    await storage.delete(ref)
    assert len(first) + sum([len(chunk) async for chunk in stream]) == 3 * MIB


async def test_a_file_that_shrinks_while_it_is_read_is_an_error(storage: Storage, root: Path) -> None:
    ref = await storage.put_bytes(b"x" * (3 * MIB))
    stream = await storage.read(ref)
    await anext(stream)
    os.truncate(root / "blob" / ref[-2:] / ref, MIB)
    with pytest.raises(StorageFailed, match="shorter"):
        await anext(stream)


async def test_readers_that_stop_early_keep_nothing_open(storage: Storage) -> None:
    ref = await storage.put_bytes(b"x" * (3 * MIB))
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        await storage.read(ref)
        stream = await storage.read(ref)
        await anext(stream)
    del stream
    gc.collect()
    for _ in range(10):  # the loop closes generators that nobody holds
        await asyncio.sleep(0)
    assert len(os.listdir("/proc/self/fd")) == before


async def test_a_type_whose_file_is_gone_is_swept(storage: Storage, root: Path) -> None:
    ref = await storage.put_bytes(b"x", "text/plain")
    (root / "blob" / ref[-2:] / ref).unlink()  # where a delete was killed
    assert await storage.sweep(datetime.now(UTC) - TOMORROW) == 0
    assert await storage.sweep(datetime.now(UTC) + TOMORROW) == 1
    assert files_of(root) == []


HALF = """
import asyncio, sys
from planar.files.storage.local_directory import LocalDirectoryStorage

async def half():
    for _ in range(4):
        yield b"x" * 1024 * 1024
    print("half", flush=True)
    await asyncio.Event().wait()

asyncio.run(LocalDirectoryStorage(sys.argv[1]).write(half()))
"""


async def test_a_process_that_is_killed_while_it_writes_leaves_a_part_that_is_swept(storage: Storage, root: Path) -> None:
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", HALF, str(root), stdout=asyncio.subprocess.PIPE)
    assert child.stdout is not None
    assert await child.stdout.readline() == b"half\n"
    child.kill()
    await child.wait()
    assert [name.split("/")[0] for name in files_of(root)] == ["tmp"]
    assert await listed(storage) == {}
    assert await storage.sweep(datetime.now(UTC) - TOMORROW) == 0
    assert await storage.sweep(datetime.now(UTC) + TOMORROW) == 1
    assert files_of(root) == []


def test_its_representation_names_the_directory() -> None:
    assert repr(LocalDirectoryStorage("/srv/files")) == "LocalDirectoryStorage('/srv/files')"


@pytest.mark.parametrize("stream_fails", [False, True])
async def test_what_a_thread_is_writing_is_over_before_a_write_gives_up(
    storage: Storage, root: Path, monkeypatch: pytest.MonkeyPatch, stream_fails: bool
) -> None:
    writing, go = threading.Event(), threading.Event()
    write_all = blob_files.write_all

    def slow(handle: int, data: bytes) -> None:
        writing.set()
        assert go.wait(30)
        write_all(handle, data)

    async def stream() -> AsyncIterator[bytes]:
        yield b"x" * (2 * MIB)
        await asyncio.to_thread(writing.wait, 30)
        if stream_fails:
            raise ConnectionError("gone")
        await asyncio.Event().wait()

    monkeypatch.setattr(blob_files, "write_all", slow)
    task = asyncio.create_task(storage.write(stream()))
    await asyncio.to_thread(writing.wait, 30)
    if not stream_fails:
        task.cancel()
    for _ in range(20):
        await asyncio.sleep(0)
    assert not task.done()
    go.set()
    with pytest.raises(ConnectionError if stream_fails else asyncio.CancelledError):
        await task
    assert files_of(root) == []


DYING = """
import asyncio, os, sys
from itertools import count
from pathlib import Path
from planar.files.storage import local_directory

CALLS = ("open", "write", "fsync", "link", "unlink", "mkdir")
local_directory.CHUNK_BYTES = 1000

async def stream():
    yield b"x" * 1000
    yield b"y" * 1000

def die_after(call):
    passed = count(1)
    def dying(original):
        def called(*args, **options):
            result = original(*args, **options)
            if next(passed) == call:
                os._exit(9)
            return result
        return called
    for name in CALLS:
        setattr(os, name, dying(getattr(os, name)))
    storage = local_directory.LocalDirectoryStorage(Path(sys.argv[1], str(call)))
    asyncio.run(storage.write(stream(), mime_type="text/plain"))
    os._exit(0)

for call in count(1):
    child = os.fork()
    if child == 0:
        die_after(call)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if ended == 0:
        break
    assert ended == 9, ended
"""


async def test_a_process_that_dies_after_any_call_leaves_a_whole_file_or_what_is_swept(root: Path) -> None:
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", DYING, str(root))
    assert await asyncio.wait_for(child.wait(), 120) == 0
    deaths = sorted(root.iterdir())
    assert len(deaths) > 15
    whole = 0
    for place in deaths:
        storage = LocalDirectoryStorage(place)
        for ref in await listed(storage):
            assert await content(storage, ref) == b"x" * 1000 + b"y" * 1000
            await storage.delete(ref)  # what nobody refers to is collected
            whole += 1
        await storage.sweep(datetime.now(UTC) + TOMORROW)
        assert files_of(place) == []
        await storage.close()
    assert 0 < whole < len(deaths)
