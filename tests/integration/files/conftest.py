"""An app that keeps files in a directory of the test."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from planar import PlanarApp
from planar.app.lifespan import script_session
from planar.clock import utc_now
from planar.context import bind_services
from planar.db.manager import DatabaseManager
from planar.files.collecting import CollectionReport, collect_orphans
from planar.files.config import FilesConfig
from planar.files.storage.base import Storage
from planar.files.storage.local_directory import LocalDirectoryStorage
from planar.workflows import WorkflowWrapper
from tests.databases import Databases
from tests.integration.http.conftest import Api, OpenApi, open_api

__all__ = ["open_api"]

FILE = "/file"


class FilesApi(Api):
    """An app with files, and a client of it."""

    def __init__(self, app: PlanarApp, client: httpx.AsyncClient, databases: Databases, storage: Storage) -> None:
        super().__init__(app, client, databases)
        self.storage = storage

    async def send(self, *files: tuple[str | None, bytes, str] | tuple[str | None, bytes], field: str = "files") -> httpx.Response:
        """Upload files: name, bytes, and perhaps a type."""
        return await self.post(f"{FILE}/upload", files=[(field, file) for file in files])

    async def store(self, name: str = "a.txt", data: bytes = b"hello", kind: str = "text/plain") -> dict[str, Any]:
        """Upload one file, which is taken; what the answer says of it."""
        answer = await self.send((name, data, kind))
        assert answer.status_code == 200, answer.text
        (stored,) = answer.json()
        return stored

    async def content(self, file_id: str, method: str = "GET", query: str = "", **headers: str) -> httpx.Response:
        """Ask for the bytes of a file."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.client.request(method, f"/planar/v1{FILE}/{file_id}/content{query}", headers=sent)

    async def refs(self) -> set[str]:
        """What the storage holds."""
        return {stored.ref async for stored in self.storage.list_objects()}

    async def recorded(self) -> set[str]:
        """What records refer to."""
        return {row[0] for row in await self.databases.ask("select distinct storage_ref from {planar}planar_file_metadata")}

    async def collect(self, **options: Any) -> CollectionReport:
        """Collect orphans of any age."""
        options.setdefault("older_than", timedelta(seconds=-60))
        return await collect_orphans(self.app.services.get(DatabaseManager), self.storage, utc_now(), **options)


async def in_script(app: PlanarApp, function: Callable[[], Awaitable[None]]) -> None:
    """Await *function* with a session of its own in the running *app*."""
    with bind_services(app.services):
        async with script_session(app.services, "test"):
            await function()


OpenFiles = Callable[..., AbstractAsyncContextManager[FilesApi]]


@pytest.fixture
def open_files(open_api: OpenApi, tmp_path: Path) -> OpenFiles:
    """`async with open_files() as api:` serves an app with a storage; options are settings of `files`."""

    @asynccontextmanager
    async def opener(
        workflows: Iterable[WorkflowWrapper[..., Any]] = (),
        *,
        storage: Storage | None = None,
        prepare: Callable[[PlanarApp], object] | None = None,
        **settings: Any,
    ) -> AsyncGenerator[FilesApi]:
        place = storage if storage is not None else LocalDirectoryStorage(str(tmp_path / "files"))

        def ready(app: PlanarApp) -> None:
            app.services.add(Storage, place)
            if prepare is not None:
                prepare(app)

        async with open_api(workflows, prepare=ready, files=FilesConfig(**settings)) as api:
            yield FilesApi(api.app, api.client, api.databases, place)
        await place.close()

    return opener
