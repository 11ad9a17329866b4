"""What a revision that was written says, and what it leaves alone."""

from __future__ import annotations

from datetime import datetime
from enum import Enum as PythonEnum
from typing import Any

import pytest
from sqlalchemy import JSON, Column, Enum, ForeignKey, Integer, MetaData, String, Table
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import registry
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field

from planar.db.errors import DatabaseBehind, HistoryBroken, NoApplicationTables, NoMigrations, SeveralHeads, TablesNotAdopted
from planar.db.manager import DatabaseManager
from planar.modeling.column_types import JSONText, UTCDateTime
from planar.modeling.mixins import TimestampMixin
from planar.modeling.mixins.timestamp import DatabaseNow
from planar.modeling.orm import PlanarBaseEntity
from tests.integration.app_migrations.site import Site
from tests.integration.app_migrations.versions import NAMES, schema

pytestmark = pytest.mark.anyio


class Shouting(TypeDecorator[str]):
    """A type of a user's own."""

    impl = String
    cache_ok = True


class Mood(PythonEnum):
    GOOD = "good"


class Letters(PlanarBaseEntity, registry=registry(metadata=MetaData(naming_convention=NAMES))):
    """Apart from the tables of other tests."""


class Letter(Letters, TimestampMixin, table=True):
    text: str = Field(max_length=99)
    sent: datetime
    mood: Mood
    data: dict[str, Any] = Field(sa_type=JSONText)
    loud: str = Field(sa_type=Shouting)


def things(*columns: Column[Any], name: str = "thing") -> MetaData:
    metadata = MetaData(naming_convention=NAMES)
    Table(name, metadata, Column("id", Integer, primary_key=True), *columns)
    return metadata


async def made(site: Site, metadata: MetaData) -> str:
    text = await site.written(metadata, "change")
    await site.upgrade(metadata)
    assert await site.check(metadata) == []
    return text


async def test_the_columns_of_an_entity_are_written_with_their_imports(site: Site) -> None:
    text = await made(site, Letters.metadata)
    assert "from planar.modeling.column_types import JSONText, UTCDateTime\n" in text
    assert "from planar.modeling.mixins.timestamp import DatabaseNow\n" in text
    assert "sa.String(length=99)" in text
    assert f"import {__name__}\n" in text
    assert "sa.Enum('GOOD', name='mood', create_type=False)" in text
    assert "CREATE TYPE mood AS ENUM ('GOOD')" in text
    assert "sqlmodel" not in text
    assert "###" not in text


async def test_a_moment_with_a_default_of_the_database_can_be_added_to_a_table_with_rows(site: Site) -> None:
    old, new = things(), things(Column("created_at", UTCDateTime(), server_default=DatabaseNow(), nullable=False))
    await made(site, old)
    await site.ask("INSERT INTO thing (id) VALUES (1) RETURNING id")
    await made(site, new)
    rows = await site.ask("SELECT created_at FROM thing")
    assert str(rows[0][0]) > "2020"


async def test_no_table_but_those_of_classes_and_history_is_seen(site: Site) -> None:
    manager = DatabaseManager(site.url)
    await manager.connect()
    await manager.migrate(application=[])
    await manager.disconnect()
    await site.execute_script("CREATE TABLE of_somebody_else (id INTEGER)")
    before = await site.schema()
    text = await made(site, schema(1))
    assert "drop" not in text.partition("def downgrade")[0]
    assert "of_somebody_else" not in text
    assert "workflow" not in text
    assert "planar_" not in text
    assert await site.revise(schema(1), "nothing") is None
    await site.downgrade("base")
    left = [row for row in await site.schema() if "planar_app_revision" not in str(row)]
    assert left == before


async def test_a_class_that_is_gone_drops_the_table_that_the_history_made(site: Site) -> None:
    await made(site, schema(1))
    metadata = schema(1)
    metadata.remove(metadata.tables["invoice"])
    text = await made(site, metadata)
    up, _, down = text.partition("def downgrade")
    assert "op.drop_table('invoice')" in up
    assert "DROP TYPE state" in up
    assert "op.create_table('invoice'" in down
    assert "CREATE TYPE state" in down
    await site.downgrade(next(iter(site.history().revisions)))
    await site.upgrade()
    assert await site.check(metadata) == []


async def test_what_may_be_a_rename_is_said_in_the_revision(site: Site) -> None:
    await made(site, things(Column("name", String)))
    text = await site.written(things(Column("title", String)), "rename")
    assert "# Was name of thing renamed to title? Dropping loses the values." in text
    assert "# batch_op.alter_column('name', new_column_name='title')" in text


async def test_what_may_be_a_renamed_table_is_said_in_the_revision(site: Site) -> None:
    await made(site, things())
    text = await site.written(things(name="object"), "rename")
    assert "# op.rename_table('thing', 'object')" in text


async def test_a_column_that_rows_have_no_value_for_is_said_in_the_revision(site: Site) -> None:
    await made(site, things())
    assert "# thing.size must not be null, and rows that exist have no value" in await site.written(
        things(Column("size", Integer, nullable=False)), "size"
    )


async def test_a_renamed_table_is_the_historys_as_well(site: Site) -> None:
    await made(site, things())
    site.add("rename", up='op.rename_table("thing", "object")', down='op.rename_table("object", "thing")')
    await site.upgrade()
    assert "op.drop_table('object')" in await site.written(MetaData(naming_convention=NAMES), "gone")


async def test_two_tables_may_share_an_enum(site: Site) -> None:
    first = things(Column("color", Enum("red", name="color")))
    await made(site, first)
    Table("other", first, Column("id", Integer, primary_key=True), Column("color", Enum("red", name="color")))
    assert "TYPE" not in await made(site, first)


async def test_an_enum_that_is_added_to_a_table_gets_its_type(site: Site) -> None:
    await made(site, things())
    await site.ask("INSERT INTO thing (id) VALUES (1) RETURNING id")
    text = await made(site, things(Column("color", Enum("it's", "blue", name="color"))))
    assert """op.execute("CREATE TYPE color AS ENUM ('it''s', 'blue')")""" in text
    assert "ADD VALUE IF NOT EXISTS 'red'" in await made(site, things(Column("color", Enum("it's", "blue", "red", name="color"))))


async def test_a_value_that_an_enum_lost_is_said_in_the_next_revision_and_makes_none(site: Site) -> None:
    await made(site, things(Column("color", Enum("red", "blue", name="color"))))
    fewer = things(Column("color", Enum("red", name="color")))
    assert await site.revise(fewer, "fewer") is None
    fewer.tables["thing"].append_column(Column("size", Integer))
    assert "# color keeps blue in PostgreSQL" in await made(site, fewer)


async def test_an_enum_of_a_revision_written_by_hand_is_known(site: Site) -> None:
    column = 'sa.Column("color", sa.Enum("red", name="color"))'
    site.add("by hand", up=f'op.create_table("thing", sa.Column("id", sa.Integer(), primary_key=True), {column})')
    await site.upgrade()
    metadata = things(Column("color", Enum("red", "blue", name="color")))
    text = await made(site, metadata)
    assert "CREATE TYPE" not in text
    assert "ALTER TYPE color ADD VALUE IF NOT EXISTS 'blue'" in text


async def test_a_type_of_postgresql_alone_has_its_import(site: Site) -> None:
    kinds = JSON().with_variant(JSONB(), "postgresql"), JSON().with_variant(ARRAY(String(9)), "postgresql")
    text = await made(site, things(Column("data", kinds[0]), Column("words", kinds[1])))
    assert "from sqlalchemy.dialects import postgresql\n" in text


async def test_a_changed_type_is_noticed_and_changed(site: Site) -> None:
    await made(site, things(Column("size", Integer)))
    await site.ask("INSERT INTO thing (id, size) VALUES (1, 7) RETURNING id")
    await made(site, things(Column("size", String(9))))
    assert await site.ask("SELECT size FROM thing") == [("7",)]


async def test_a_first_revision_makes_everything_whatever_the_database_holds(site: Site) -> None:
    async def start() -> None:
        manager = DatabaseManager(site.url)
        await manager.connect()
        await manager.migrate(application=[schema(1)])
        await manager.disconnect()

    await start()
    text = await site.written(schema(1), "first")
    assert "op.create_table('invoice'" in text
    with pytest.raises(TablesNotAdopted, match=r"planar db upgrade --adopt"):
        await site.upgrade(schema(1))
    assert await site.upgrade(schema(1), adopt=True) == []
    assert await site.check(schema(1)) == []
    await site.start(schema(1))


async def test_constraints_that_were_made_without_names_are_those_of_the_classes(site: Site) -> None:
    """As the tables of an app were made before its constraints had names on SQLite."""

    def tables(names: Any) -> MetaData:
        metadata = MetaData(naming_convention=names)
        Table("owner", metadata, Column("id", Integer, primary_key=True), Column("name", String, unique=True))
        Table("thing", metadata, Column("id", Integer, primary_key=True), Column("owner_id", ForeignKey("owner.id")))
        return metadata

    manager = DatabaseManager(site.url)
    await manager.connect()
    await manager.migrate(application=[tables(None)])
    await manager.disconnect()
    await site.revise(tables(NAMES), "first")
    await site.upgrade(tables(NAMES), adopt=True)
    assert await site.check(tables(NAMES)) == []


async def test_a_database_that_is_behind_is_not_compared(site: Site) -> None:
    await made(site, schema(1))
    site.add("by hand")
    with pytest.raises(DatabaseBehind, match="planar db upgrade"):
        await site.revise(schema(2), "note")


async def test_two_branches_are_joined(site: Site) -> None:
    await made(site, schema(1))
    root = site.history().head()
    assert root is not None
    left = site.add("left", parents=[root])
    right = site.add("right", parents=[root])
    with pytest.raises(SeveralHeads, match="planar db revision --merge"):
        await site.upgrade(schema(1))
    with pytest.raises(SeveralHeads):
        await site.revise(schema(2), "note")
    assert await site.upgrade(schema(1), to=left) == ["left"]
    assert await site.revise(schema(1), "join", merge=True)
    assert await site.upgrade(schema(1)) == ["right", "join"]
    assert await site.check(schema(1)) == []
    assert await site.downgrade(root) == ["join", "right", "left"]
    assert await site.upgrade(schema(1), to=right) == ["right"]
    with pytest.raises(HistoryBroken, match="nothing to join"):
        await site.revise(schema(1), "join", merge=True)


async def test_an_app_without_tables_has_nothing_to_write(site: Site) -> None:
    with pytest.raises(NoApplicationTables, match="PlanarBaseEntity"):
        await site.revise(MetaData(), "first")


async def test_without_a_folder_the_command_that_makes_it_is_named(site: Site) -> None:
    (site.folder / "README.md").unlink()
    site.folder.rmdir()
    with pytest.raises(NoMigrations, match="planar db init"):
        await site.check(schema(1))
