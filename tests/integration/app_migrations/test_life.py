"""The life of a schema over seven revisions, on both databases: the data stays, and after each the database is as the classes say."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest

from planar.db.app_migrations import service
from planar.db.manager import DatabaseManager
from tests.docs.pages import ROOT
from tests.integration.app_migrations.site import Site
from tests.integration.app_migrations.versions import schema

pytestmark = pytest.mark.anyio

BACKFILL = """
with op.batch_alter_table("invoice") as batch_op:
    batch_op.add_column(sa.Column("due", sa.Date(), nullable=True))
op.execute("UPDATE invoice SET due = '2026-03-01'")
with op.batch_alter_table("invoice") as batch_op:
    batch_op.alter_column("due", existing_type=sa.Date(), nullable=False)
"""
UNDO_BACKFILL = """
with op.batch_alter_table("invoice") as batch_op:
    batch_op.drop_column("due")
"""
RENAME = """
with op.batch_alter_table("customer") as batch_op:
    batch_op.alter_column("name", new_column_name="title", existing_type=sa.String(80))
"""
UNDO_RENAME = """
with op.batch_alter_table("customer") as batch_op:
    batch_op.alter_column("title", new_column_name="name", existing_type=sa.String(80))
"""


CONCURRENTLY = """
with op.get_context().autocommit_block():
    op.create_index("ix_invoice_due", "invoice", ["due"], postgresql_concurrently=True)
"""


def test_the_page_shows_what_is_tested_here() -> None:
    page = (ROOT / "docs" / "how-to" / "change-a-table.md").read_text()
    for statements in (BACKFILL, RENAME, CONCURRENTLY):
        assert " ".join(statements.split()) in " ".join(page.split())


async def fill(site: Site) -> None:
    await site.ask("INSERT INTO customer (id, name) VALUES (1, 'Ada') RETURNING id")
    await site.ask("INSERT INTO invoice (id, customer_id, total, state) VALUES (1, 1, '9.90', 'open') RETURNING id")
    await site.ask("INSERT INTO invoice (id, customer_id, total, state) VALUES (2, 1, '10.00', 'paid') RETURNING id")


async def grow(site: Site, *, look: bool = False) -> None:
    """Bring a database from nothing to the last version; with *look* it is compared after each revision."""
    for version, message in enumerate(["first", "note", "due", "title", "keys", "sent", "no note"], start=1):
        if version == 3:
            site.add(message, up=BACKFILL, down=UNDO_BACKFILL)
        elif version == 4:
            site.add(message, up=RENAME, down=UNDO_RENAME)
        else:
            await site.revise(schema(version), message)
        assert await site.upgrade(schema(version)) == [message]
        if look:
            assert await site.check(schema(version)) == []
            assert await site.revise(schema(version), "nothing") is None
        if version == 1:
            await fill(site)


async def invoices(site: Site) -> list[tuple[int, Decimal, str]]:
    rows = await site.ask("SELECT id, total, state FROM invoice ORDER BY total")
    return [(number, Decimal(total), state) for number, total, state in rows]


KEPT = [(1, Decimal("9.90"), "open"), (2, Decimal("10.00"), "paid")]
"""In the order of their totals: as texts they would come the other way round."""


async def test_data_stays_over_seven_revisions_there_and_back(site: Site) -> None:
    await grow(site, look=True)
    assert await invoices(site) == KEPT
    assert await site.ask("SELECT title FROM customer") == [("Ada",)]
    first = next(iter(site.history().revisions))
    assert await site.downgrade(first) == ["no note", "sent", "keys", "title", "due", "note"]
    assert await invoices(site) == KEPT
    assert await site.ask("SELECT name FROM customer") == [("Ada",)]
    assert await site.upgrade(schema(7)) == ["note", "due", "title", "keys", "sent", "no note"]
    assert await site.check(schema(7)) == []
    assert await invoices(site) == KEPT


async def test_a_way_up_and_down_again_leaves_the_schema_that_was_there(site: Site) -> None:
    await site.revise(schema(1), "first")
    await site.upgrade(schema(1))
    before = await site.schema()
    await site.revise(schema(2), "note")
    site.add("due", up=BACKFILL, down=UNDO_BACKFILL)
    site.add("title", up=RENAME, down=UNDO_RENAME)
    await site.upgrade(schema(4))
    await site.revise(schema(5), "keys")
    await site.upgrade(schema(5))
    await site.downgrade(next(iter(site.history().revisions)))
    assert normal(await site.schema()) == normal(before)


def normal(rows: list[tuple[object, ...]]) -> list[str]:
    return [re.sub(r'["\s]+', " ", str(row)) for row in rows]


async def test_everything_is_gone_before_the_first_revision(site: Site) -> None:
    await site.revise(schema(6), "all")
    await site.upgrade(schema(6))
    await site.downgrade("base")
    assert [row for row in await site.schema() if "planar_app_revision" not in str(row)] == []
    await site.upgrade(schema(6))
    assert await site.check(schema(6)) == []


async def test_foreign_keys_are_enforced_after_a_revision(site: Site) -> None:
    await site.revise(schema(5), "first")
    await site.upgrade(schema(5))
    manager = DatabaseManager(site.url)
    await manager.connect()
    async with manager.get_session() as session:
        with pytest.raises(Exception, match=r"(?i)foreign key"):
            await (await session.connection()).exec_driver_sql(
                "INSERT INTO invoice (id, customer_id, total, state, due) VALUES (3, 99, '1', 'open', '2026-01-01')"
            )
    await manager.disconnect()


async def test_the_sql_executed_by_hand_makes_the_same_schema(site: Site) -> None:
    await grow(site)
    grown = await site.schema()
    await site.downgrade("base")
    await site.ask("DROP TABLE planar_app_revision")
    script = await service.sql(site.project(schema(7)), "sqlite" if site.is_sqlite else "postgresql", "head")
    await site.execute_script(script)
    assert normal(await site.schema()) == normal(grown)
    assert await site.check(schema(7)) == []


async def test_the_sql_of_a_part_leads_from_one_revision_to_another(site: Site) -> None:
    await grow(site)
    ids = list(site.history().revisions)
    grown = await site.schema()
    await site.downgrade(ids[1])
    script = await service.sql(site.project(schema(7)), "sqlite" if site.is_sqlite else "postgresql", f"{ids[1]}:{ids[-1]}")
    await site.execute_script(script)
    assert normal(await site.schema()) == normal(grown)
    assert await invoices(site) == KEPT
