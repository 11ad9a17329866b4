"""What the start of an app does on a database that fits, and on each that does not: in ``prod`` the command that it names mends it."""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, String, Table

from planar.db.app_migrations import service
from planar.db.app_migrations.judgement import ADOPT, FIRST, INIT, MERGE, REVISE, UPGRADE
from planar.db.errors import DatabaseAhead, DatabaseBehind, HistoryBroken, NoMigrations, SeveralHeads, TableDiffers, TablesNotAdopted
from planar.logging.logger import FIELDS_ATTRIBUTE
from tests.integration.app_migrations.site import Site
from tests.integration.app_migrations.versions import NAMES, schema

pytestmark = pytest.mark.anyio


@pytest.fixture
async def first(site: Site) -> Site:
    """A database with the first revision."""
    await site.revise(schema(1), "first")
    await site.upgrade(schema(1))
    return site


async def test_a_database_that_fits_starts(first: Site) -> None:
    before = await first.schema()
    await first.start(schema(1))
    await first.start(schema(1), strict=False)
    assert [row for row in await first.schema() if row in before] == before


async def test_prod_refuses_an_empty_database_until_it_is_upgraded(site: Site) -> None:
    await site.revise(schema(1), "first")
    with pytest.raises(DatabaseBehind, match=UPGRADE):
        await site.start(schema(1))
    await site.upgrade(schema(1))
    await site.start(schema(1))


async def test_prod_refuses_a_database_that_is_behind_until_it_is_upgraded(first: Site) -> None:
    await first.revise(schema(2), "note")
    with pytest.raises(DatabaseBehind, match=rf"1 is not applied: \d+ \(note\)\. Run: {UPGRADE}"):
        await first.start(schema(2))
    await first.upgrade(schema(2))
    await first.start(schema(2))


async def test_prod_refuses_a_class_that_no_revision_knows_until_one_is_written_and_applied(first: Site) -> None:
    metadata = schema(2)
    Table("thing", metadata, Column("id", Integer, primary_key=True))
    with pytest.raises(TableDiffers) as caught:
        await first.start(metadata)
    assert str(caught.value) == (
        f"Table thing is missing. Table invoice has no column note (VARCHAR). No revision says so. Run: {REVISE}, then {UPGRADE}"
    )
    await first.revise(metadata, "what changed")
    await first.upgrade(metadata)
    await first.start(metadata)


async def test_prod_refuses_tables_that_no_revision_made_until_they_are_adopted(site: Site) -> None:
    empty = Site(site.url, site.folder.parent / "none")
    await empty.start(schema(1), strict=False)
    await site.revise(schema(1), "first")
    with pytest.raises(TablesNotAdopted, match=ADOPT):
        await site.start(schema(1))
    await site.upgrade(schema(1), adopt=True)
    await site.start(schema(1))


async def test_tables_that_differ_are_not_adopted_but_stamped(site: Site) -> None:
    empty = Site(site.url, site.folder.parent / "none")
    await empty.start(schema(1), strict=False)
    await site.revise(schema(1), "first")
    old = site.history().head()
    assert old is not None
    site.add("note", up='op.add_column("invoice", sa.Column("note", sa.String(), nullable=False, server_default="none"))')
    with pytest.raises(TableDiffers, match="planar db stamp <revision>, then planar db upgrade"):
        await site.upgrade(schema(2), adopt=True)
    assert await service.stamp(site.project(schema(2)), old) == old
    assert await site.upgrade(schema(2)) == ["note"]
    await site.start(schema(2))


async def test_prod_refuses_two_newest_revisions_until_they_are_joined(first: Site) -> None:
    root = first.history().head()
    assert root is not None
    first.add("left", parents=[root])
    first.add("right", parents=[root])
    with pytest.raises(SeveralHeads, match=MERGE):
        await first.start(schema(1))
    await first.revise(schema(1), "join", merge=True)
    await first.upgrade(schema(1))
    await first.start(schema(1))


async def newer(site: Site, column: str) -> None:
    """Make the database newer than the code: a revision was applied, and this code does not have it."""
    site.add("newer", up=f'op.add_column("invoice", {column})')
    await site.upgrade(schema(1))
    last = site.history().revisions[site.history().heads[0]].path
    last.rename(last.with_suffix(".kept"))


async def test_prod_refuses_a_database_that_is_newer_until_the_code_is(first: Site) -> None:
    await newer(first, 'sa.Column("extra", sa.String())')
    with pytest.raises(DatabaseAhead, match=r"Start the code that has it, or set app\.allow_newer_database"):
        await first.start(schema(1))
    with pytest.raises(DatabaseAhead):
        await first.upgrade(schema(1))
    with pytest.raises(DatabaseAhead):
        await first.revise(schema(2), "note")
    kept = next(first.folder.glob("*.kept"))
    kept.rename(kept.with_suffix(".py"))
    metadata = schema(1)
    metadata.tables["invoice"].append_column(Column("extra", String))
    await first.start(metadata)


async def test_a_newer_database_may_be_allowed_where_its_tables_fit(first: Site) -> None:
    await newer(first, 'sa.Column("extra", sa.String())')
    await first.start(schema(1), allow_newer=True)


async def test_a_column_too_many_is_a_difference_where_the_database_is_not_newer(first: Site) -> None:
    await first.execute_script("ALTER TABLE invoice ADD COLUMN extra TEXT")
    with pytest.raises(TableDiffers, match="has a column extra"):
        await first.start(schema(1), allow_newer=True)


async def test_a_newer_database_is_refused_where_older_code_cannot_write(first: Site) -> None:
    await newer(first, 'sa.Column("extra", sa.String(), nullable=False, server_default="")')
    await first.start(schema(1), allow_newer=True)
    site = first
    await site.execute_script("ALTER TABLE invoice DROP COLUMN extra")
    await site.execute_script("ALTER TABLE invoice DROP COLUMN total")
    with pytest.raises(TableDiffers, match="has no column total"):
        await first.start(schema(1), allow_newer=True)


async def test_a_revision_that_never_existed_can_be_forgotten(first: Site) -> None:
    head = first.history().head()
    assert head is not None
    await first.execute_script("UPDATE planar_app_revision SET version_num = 'never'")
    with pytest.raises(DatabaseAhead, match="planar db stamp --force"):
        await first.upgrade(schema(1))
    with pytest.raises(DatabaseAhead):
        await service.stamp(first.project(schema(1)), head)
    await service.stamp(first.project(schema(1)), head, forget=True)
    await first.start(schema(1))


async def test_a_history_with_a_hole_is_refused(first: Site) -> None:
    first.add("second")
    first.add("third")
    middle = list(first.history().revisions.values())[1].path
    middle.unlink()
    with pytest.raises(HistoryBroken, match=r"which is not there\. Bring its file back"):
        await first.start(schema(1))


async def test_dev_makes_the_tables_of_an_empty_database_by_its_revisions(site: Site) -> None:
    await site.revise(schema(1), "first")
    await site.start(schema(1), strict=False)
    assert await site.check(schema(1)) == []


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str | None, str]]:
    """The code and the command of each warning."""
    fields = [getattr(record, FIELDS_ATTRIBUTE, {}) for record in caplog.records]
    return [(each.get("code"), each["remedy"]) for each in fields if "remedy" in each]


async def test_dev_alters_nothing_and_tells_the_command(first: Site, caplog: pytest.LogCaptureFixture) -> None:
    await first.start(schema(1), strict=False)
    before = await first.schema()
    metadata = schema(2)
    Table("thing", metadata, Column("id", Integer, primary_key=True))
    with caplog.at_level(logging.WARNING):
        await first.start(metadata, strict=False)
        assert told(caplog) == [("table_differs", f"{REVISE}, then {UPGRADE}")]
        await first.revise(metadata, "what changed")
        await first.start(metadata, strict=False)
    assert told(caplog)[1:] == [("database_behind", UPGRADE)]
    assert await first.schema() == before


async def test_without_revisions_dev_makes_missing_tables_and_prod_recommends_migrations(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        await site.start(schema(1), strict=False)
        assert told(caplog) == []
        await site.start(schema(1))
    assert told(caplog) == [(None, f"{FIRST}, then {ADOPT}")]
    with pytest.raises(TableDiffers, match="Planar never alters a table"):
        await site.start(schema(2))
    await site.revise(schema(1), "first")
    await site.upgrade(schema(1), adopt=True)
    await site.start(schema(1))


@pytest.mark.parametrize("begun", [True, False])
async def test_prod_refuses_missing_tables_without_revisions_until_one_makes_them(site: Site, begun: bool) -> None:
    if not begun:
        shutil.rmtree(site.folder)
    with pytest.raises(NoMigrations) as caught:
        await site.start(schema(1))
    first = FIRST if begun else f"{INIT}, {FIRST}"
    assert str(caught.value) == (
        f"The database lacks the tables customer, invoice. The application has no revision that makes them. Run: {first}, then {UPGRADE}"
    )
    assert "customer" not in str(await site.schema())
    if not begun:
        service.begin(site.folder)
    await site.revise(schema(1), "first")
    await site.upgrade(schema(1))
    await site.start(schema(1))


async def test_prod_refuses_a_new_table_beside_others_until_those_are_adopted_and_it_has_a_revision(site: Site) -> None:
    await site.start(schema(1), strict=False)
    more = schema(1)
    Table("thing", more, Column("id", Integer, primary_key=True))
    with pytest.raises(NoMigrations, match="lacks the tables thing") as caught:
        await site.start(more)
    assert str(caught.value).endswith(
        f"Run: {FIRST}, {ADOPT}, all with the classes of customer, invoice alone; then with the others: {REVISE}, {UPGRADE}"
    )
    await site.revise(schema(1), "first")
    await site.upgrade(schema(1), adopt=True)
    await site.revise(more, "what changed")
    await site.upgrade(more)
    await site.start(more)


async def test_an_app_without_tables_needs_no_revision(site: Site) -> None:
    await site.start(MetaData(naming_convention=NAMES))


async def test_a_folder_of_alembics_own_is_left_alone(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    (site.folder / "env.py").write_text("raise AssertionError")
    with pytest.raises(NoMigrations, match=r"is Alembic's own\. Run: alembic upgrade head"):
        await site.start(schema(1))
    await site.start(schema(1), strict=False)
    assert "customer" in str(await site.schema())
    with caplog.at_level(logging.WARNING):
        await site.start(schema(1))
    assert told(caplog) == []


async def test_an_app_without_tables_starts_with_a_folder_of_revisions(site: Site) -> None:
    site.add("nothing")
    await site.upgrade()
    await site.start(MetaData(naming_convention=NAMES))


def test_a_folder_that_holds_something_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "notes.txt").write_text("mine")
    with pytest.raises(HistoryBroken, match="not empty"):
        service.begin(tmp_path / "migrations")
    (tmp_path / "migrations" / "env.py").write_text("")
    with pytest.raises(HistoryBroken, match="Alembic's own"):
        service.begin(tmp_path / "migrations")
