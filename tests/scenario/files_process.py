"""Processes that store and remove files, and are killed at a point.

``python files_process.py`` reads lines of JSON, ``[url, folder, story, point]``, plays each in a process of its own, and answers how that
ended: a fork, so that only the first one imports everything.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterable, AsyncIterator
from datetime import timedelta
from typing import Any, NoReturn

import httpx2 as httpx

from planar import PlanarApp, sqlite_config
from planar.clock import utc_now
from planar.config import connection_string_config
from planar.db.manager import DatabaseManager
from planar.db.planar_session import PlanarSession
from planar.files import PlanarFile
from planar.files.collecting import collect_orphans
from planar.files.storage.base import Storage, StoredBytes
from planar.files.storage.local_directory import LocalDirectoryStorage
from planar.workflows import step, workflow

DATA = b"0123456789abcdef" * 200_000
"""More than one chunk."""


def die() -> NoReturn:
    """End as a process ends whose machine loses its power."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("still alive")


class Deadly(LocalDirectoryStorage):
    """Dies at the point that was named, once it is armed."""

    point = ""

    def at(self, point: str) -> None:
        if self.point == point:
            die()

    async def write(self, stream: AsyncIterable[bytes], **options: Any) -> StoredBytes:
        self.at("before the bytes")

        async def watched() -> AsyncIterator[bytes]:
            passed = 0
            async for chunk in stream:
                yield chunk
                passed += len(chunk)
                if passed > len(DATA) // 2:
                    self.at("in the middle of the bytes")

        stored = await super().write(watched(), **options)
        self.at("after the bytes")
        return stored

    async def delete(self, ref: str) -> None:
        self.at("before the bytes are removed")
        await super().delete(ref)
        self.at("after the bytes were removed")


def watch_commits(storage: Deadly) -> None:
    original = PlanarSession.commit

    async def commit(self: PlanarSession) -> None:
        wrote = self.has_uncommitted_work
        if wrote:
            storage.at("before the commit")
        await original(self)
        if wrote:
            storage.at("after the commit")

    PlanarSession.commit = commit  # type: ignore[method-assign]


@step()
async def store() -> PlanarFile:
    file = await PlanarFile.upload(DATA, "stored.bin")
    deadly.at("at the end of the step")
    return file


@workflow()
async def storing() -> PlanarFile:
    return await store()


deadly: Deadly


async def tell(url: str, folder: str, story: str, point: str) -> None:
    global deadly
    config = sqlite_config(url.removeprefix("sqlite:///")) if url.startswith("sqlite") else connection_string_config(url)
    app = PlanarApp(config=config.model_copy(update={"storage": None}))
    app.register_workflow(storing)
    deadly = Deadly(folder)
    app.services.add(Storage, deadly)
    watch_commits(deadly)
    async with (
        app._lifespan(app.fastapi),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://x/planar/v1/file") as client,
    ):

        async def upload() -> str:
            answer = await client.post("/upload", files=[("files", ("a.bin", DATA))])
            assert answer.status_code == 200, answer.text
            return answer.json()[0]["id"]

        await upload()  # one that nothing happens to
        file_id = await upload()
        if story == "upload":
            deadly.point = point
            await upload()
        elif story == "delete":
            deadly.point = point
            await client.delete(f"/{file_id}")
        elif story == "direct":
            expected = (await client.post("/uploads", json={"filename": "a.bin", "size": len(DATA)})).json()
            assert (await client.put(f"http://x{expected['upload_url']}", content=DATA)).status_code == 204
            deadly.point = point
            await client.post(f"http://x{expected['complete_url']}")
        elif story == "step":
            deadly.point = point
            await client.post("http://x/planar/v1/workflows/storing/start", params={"wait": 30})
        elif story == "collect":
            await LocalDirectoryStorage(folder).put_bytes(DATA)
            deadly.point = point
            await collect_orphans(app.services.get(DatabaseManager), deadly, utc_now(), older_than=timedelta(seconds=-60))


def play_in_a_fork(told: list[str]) -> int:
    """The exit code of the process that plays it; negative is a signal."""
    child = os.fork()
    if child == 0:
        asyncio.run(tell(*told))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    for line in sys.stdin:
        print("ended", play_in_a_fork(json.loads(line)), flush=True)
