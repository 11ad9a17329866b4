"""A class was changed and its revision is due: what does not need the table goes on, what does says which command mends it."""

from __future__ import annotations

from uuid import UUID

import pytest
from sqlalchemy import text
from sqlmodel import select

from planar import PlanarApp, get_session
from planar.files.columns import file_field
from planar.modeling.orm import PlanarBaseEntity
from tests.integration.files.conftest import FilesApi, OpenFiles
from tests.integration.http.conftest import problem_of

pytestmark = pytest.mark.anyio


class DueTable(PlanarBaseEntity, table=True):
    """An entity whose table is missing, or lacks a column."""

    scan: UUID | None = file_field()
    note: str = ""


class ThereTable(PlanarBaseEntity, table=True):
    """An entity whose table is as it should be."""

    scan: UUID | None = file_field()


def serve(app: PlanarApp) -> None:
    app.register_entity(DueTable).register_entity(ThereTable)

    @app.fastapi.get("/mine")
    async def mine() -> list[DueTable]:
        return list(await get_session().exec(select(DueTable)))

    @app.fastapi.get("/wrong")
    async def wrong() -> None:
        await (await get_session().connection()).execute(text("select nothing_like_it from due_table_of_nobody"))


async def behind(api: FilesApi, count: int | None) -> None:
    """What is asked of the entity is refused, and all else answered."""
    file_id = (await api.store())["id"]
    found = {item["name"]: item["instance_count"] for item in (await api.get("/entities/")).json()}
    assert found == {"DueTable": count, "ThereTable": 0}
    assert (await api.get("/entities/DueTable")).json()["instance_count"] == count
    rows = "/planar/v1/entities/DueTable/instances"
    for answer in (
        await api.client.get(rows),
        await api.client.post(rows, json={"note": "a"}),
        await api.client.post(f"{rows}/bulk", json=[{"note": "a"}]),
        await api.client.get(f"{rows}/{file_id}"),
        await api.client.get("/mine"),
    ):
        assert "planar db upgrade" in problem_of(answer, 503, "tables_behind")
    problem_of(await api.client.get("/wrong"), 500, "internal_error")
    (await api.client.post("/planar/v1/entities/ThereTable/instances", json={"scan": file_id})).raise_for_status()
    uses = (await api.get(f"/file/{file_id}/references")).json()
    assert [use["name"] for use in uses] == ["ThereTable"]
    problem_of(await api.client.delete(f"/planar/v1/file/{file_id}"), 409, "file_in_use")
    other = (await api.store("b.txt"))["id"]
    assert (await api.client.delete(f"/planar/v1/file/{other}")).status_code == 204


async def test_a_table_that_is_not_there_is_told_of_with_what_mends_it(open_files: OpenFiles) -> None:
    async with open_files(prepare=serve) as api:
        await api.databases.ask("drop table duetable")
        await behind(api, None)


async def test_so_is_a_column_that_is_not_there(open_files: OpenFiles) -> None:
    async with open_files(prepare=serve) as api:
        await api.databases.ask("drop index ix_duetable_scan")
        await api.databases.ask("alter table duetable drop column scan")
        await api.databases.ask("alter table duetable drop column note")
        try:
            await behind(api, 0)
        finally:
            # Databases are used again: the next start makes it anew.
            await api.databases.ask("drop table duetable")
