"""Somebody begins to use a file while it is deleted: the file is kept, or the use is refused."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event
from sqlmodel import select

from planar import get_session
from planar.db.manager import DatabaseManager
from planar.files import PlanarFile
from planar.files.columns import file_field
from planar.files.errors import UnknownFiles
from planar.files.models import PlanarFileMetadata
from planar.files.uses import FileUses, Reference
from planar.modeling.orm import PlanarBaseEntity
from planar.workflows import step, workflow
from planar.workflows.waiting import wait_for_event
from tests.integration.files.conftest import FilesApi, OpenFiles, in_script
from tests.integration.http.conftest import problem_of

pytestmark = pytest.mark.anyio


class FiledByCode(PlanarBaseEntity, table=True):
    """An entity whose rows code writes."""

    title: str = ""
    scan: UUID | None = file_field()


@workflow()
async def keeping(paper: PlanarFile) -> None:
    """Holds a file that it was given."""
    await wait_for_event("never")


@step()
async def hand_on() -> PlanarFile:
    (found,) = await get_session().exec(select(PlanarFileMetadata))
    return found.value()


@workflow()
async def fetching() -> None:
    """Holds a file that a step found for it, when it is told to."""
    await wait_for_event("fetch")
    await hand_on()
    await wait_for_event("never")


def serve(app: Any) -> None:
    app.register_entity(FiledByCode)


async def test_a_row_that_code_is_writing_keeps_its_file(open_files: OpenFiles) -> None:
    async with open_files(prepare=serve) as api:
        file_id = (await api.store())["id"]
        looked = asyncio.Event()
        watch(api, looked)
        async with api.app.services.get(DatabaseManager).get_session() as session:
            session.add(FiledByCode(scan=UUID(file_id)))
            await session.flush()
            if not api.databases.is_sqlite:
                assert await api.databases.ask("select id from planar.planar_file_metadata for update skip locked") == []
            deleting = asyncio.create_task(api.client.delete(f"/planar/v1/file/{file_id}"))
            await looked.wait()
            await session.commit()
        problem_of(await deleting, 409, "file_in_use")


async def test_code_cannot_write_a_row_that_names_a_file_that_is_gone(open_files: OpenFiles) -> None:
    async with open_files(prepare=serve) as api:
        gone = UUID((await api.store())["id"])
        assert (await api.client.delete(f"/planar/v1/file/{gone}")).status_code == 204
        async with api.app.services.get(DatabaseManager).get_session() as session:
            session.add(FiledByCode(scan=gone))
            with pytest.raises(UnknownFiles, match=f"scan \\({gone}\\)"):
                await session.flush()
            await session.rollback()
            row = FiledByCode(title="kept")
            session.add(row)
            await session.commit()
            row.scan = uuid4()
            with pytest.raises(UnknownFiles):
                await session.commit()
            await session.rollback()
        items = (await api.get("/entities/FiledByCode/instances")).json()["items"]
        assert [(item["data"]["title"], item["data"]["scan"]) for item in items] == [("kept", None)]


async def test_a_row_may_name_a_file_that_is_stored_with_it(open_files: OpenFiles) -> None:
    async with open_files(prepare=serve) as api:

        async def store() -> None:
            file = await PlanarFile.upload(b"new", "new.txt")
            get_session().add(FiledByCode(scan=file.id))
            await get_session().commit()

        await in_script(api.app, store)
        assert (await api.get("/entities/FiledByCode/instances")).json()["total"] == 1


async def test_a_flush_asks_once_for_all_its_files_and_not_at_all_without(open_files: OpenFiles) -> None:
    async with open_files(prepare=serve) as api:
        files = [UUID((await api.store())["id"]) for _ in range(3)]
        manager = api.app.services.get(DatabaseManager)
        asked: list[str] = []

        def note(_connection: Any, _cursor: Any, statement: str, *_others: Any) -> None:
            if "planar_file_metadata" in statement:
                asked.append(statement)

        async with manager.get_session() as session:
            event.listen(manager.get_engine().sync_engine, "before_cursor_execute", note)
            rows = [FiledByCode(scan=file_id) for file_id in files]
            session.add_all(rows)
            await session.commit()
            assert len(asked) == 1
            rows[0].title = "another"
            session.add(FiledByCode(title="without"))
            await session.commit()
            assert len(asked) == 1


def watch(api: FilesApi, looked: asyncio.Event) -> None:
    """Set *looked* when whoever deletes has asked for the first time who uses the file."""

    async def note(*_asked: Any) -> list[Reference]:
        looked.set()
        return []

    api.app.services.get(FileUses).add(note)


class BetweenLooks:
    """Does something after the first look for uses, when the second is still to come."""

    def __init__(self, api: FilesApi) -> None:
        self.began = asyncio.Event()
        self.go_on = asyncio.Event()
        api.app.services.get(FileUses).add(self._first, since=self._second)

    async def _first(self, _session: Any, _file: PlanarFileMetadata) -> list[Reference]:
        self.began.set()
        await self.go_on.wait()
        return []

    async def _second(self, _session: Any, _file: PlanarFileMetadata, _since: datetime) -> list[Reference]:
        return []


async def test_a_run_that_code_starts_meanwhile_keeps_its_file(open_files: OpenFiles) -> None:
    async with open_files([keeping]) as api:
        stored = await api.store()
        between = BetweenLooks(api)
        deleting = asyncio.create_task(api.client.delete(f"/planar/v1/file/{stored['id']}"))
        await between.began.wait()

        async def start() -> None:
            await keeping.start(PlanarFile(**stored))

        await in_script(api.app, start)
        between.go_on.set()
        problem_of(await deleting, 409, "file_in_use")


async def test_a_step_that_hands_a_file_on_meanwhile_keeps_it(open_files: OpenFiles) -> None:
    async with open_files([fetching]) as api:
        stored = await api.store()
        run = await api.start("fetching")
        between = BetweenLooks(api)
        deleting = asyncio.create_task(api.client.delete(f"/planar/v1/file/{stored['id']}"))
        await between.began.wait()
        await api.post("/workflows/events/emit", {"event_key": "fetch"})
        async with asyncio.timeout(20):
            while not await api.databases.ask("select 1 from {planar}workflow_claim where waiting_for_event = 'never'"):  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.005)
        between.go_on.set()
        assert run in problem_of(await deleting, 409, "file_in_use")
