"""Each change to an entity is kept in the transaction that makes it, whichever way it is written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Delete, Insert, bindparam, delete, event, insert, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from planar.context import actor_var
from planar.db import DatabaseManager
from planar.db.history import PlanarEntityChange, restored
from tests import stores
from tests.databases import Databases
from tests.integration.db.ledger import Color, Customer, Draft, Everything, Ledger, Note, Order, Paper, changes, seen, values

pytestmark = pytest.mark.anyio


@pytest.fixture
async def manager(databases: Databases) -> AsyncIterator[DatabaseManager]:
    manager = DatabaseManager(await databases.url())
    await manager.connect()
    await manager.migrate(application=[Ledger.metadata])
    yield manager
    await manager.disconnect()


async def stored(manager: DatabaseManager, *rows: Any) -> None:
    async with manager.get_session() as session:
        session.add_all(rows)
        await session.commit()


async def forget(manager: DatabaseManager) -> None:
    async with manager.get_session() as session:
        await session.exec(delete(PlanarEntityChange))
        await session.commit()


# -- the unit of work -----------------------------------------------------------------------------------------------------


async def test_a_new_row_is_kept_whole(manager: DatabaseManager) -> None:
    customer = Customer(name="Ada")
    await stored(manager, customer)
    (change,) = await changes(manager)
    assert (change.entity, change.table_name, change.row_key, change.action) == ("Customer", "ledger_customer", str(customer.id), "create")
    assert change.before is None
    assert restored(Customer, change.after) == {
        name: getattr(customer, name) for name in Customer.model_fields if name not in ("seen", "secret")
    }
    assert change.at.tzinfo is not None
    assert abs(change.at - datetime.now(UTC)) < timedelta(minutes=5)


async def test_of_an_update_only_what_changed_is_kept(manager: DatabaseManager) -> None:
    customer = Customer(name="Ada")
    await stored(manager, customer)
    async with manager.get_session() as session:
        found = await session.get_one(Customer, customer.id)
        found.name = "Grace"
        await session.commit()
    change = (await changes(manager))[-1]
    assert change.action == "update"
    before, after = values(change.before), values(change.after)
    assert before
    assert after
    assert (before["name"], after["name"]) == ("Ada", "Grace")
    assert set(before) == set(after) == {"name", "updated_at"}


async def test_what_did_not_change_leaves_nothing(manager: DatabaseManager) -> None:
    customer = Customer(name="Ada")
    await stored(manager, customer)
    async with manager.get_session() as session:
        found = await session.get_one(Customer, customer.id)
        found.name = "Ada"
        await session.commit()
        found.seen = 3
        await session.commit()
    assert len(await changes(manager)) == 1


async def test_a_deleted_row_is_kept_whole(manager: DatabaseManager) -> None:
    customer = Customer(name="Ada", secret="x")
    await stored(manager, customer)
    async with manager.get_session() as session:
        await session.delete(await session.get_one(Customer, customer.id))
        await session.commit()
    created, deleted = await changes(manager)
    assert (deleted.action, deleted.before, deleted.after) == ("delete", created.after, None)


async def test_cascades_of_the_orm_are_kept(manager: DatabaseManager) -> None:
    customer = Customer(name="Ada", orders=[Order(amount=Decimal("1.50")), Order(amount=Decimal(2))], notes=[Note(text="hello")])
    await stored(manager, customer)
    await forget(manager)
    async with manager.get_session() as session:
        found = await session.get_one(Customer, customer.id)
        await session.delete(found)
        await session.commit()
    key = str(customer.id)
    rows = await seen(manager)
    assert sorted(row[:2] for row in rows) == [("Customer", "delete"), ("Note", "update"), ("Order", "delete"), ("Order", "delete")]
    assert ("Note", "update", {"customer_id": key}, {"customer_id": None}) in rows
    assert ("Order", "delete", {"amount": "1.50", "customer_id": key}, None) in rows


async def test_an_orphan_that_the_orm_deletes_is_kept(manager: DatabaseManager) -> None:
    customer = Customer(name="Ada", orders=[Order(amount=Decimal("1.50"))])
    await stored(manager, customer)
    await forget(manager)
    async with manager.get_session() as session:
        found = await session.get_one(Customer, customer.id)
        await session.run_sync(lambda _: found.orders.clear())
        await session.commit()
    assert [row[:2] for row in await seen(manager)] == [("Order", "delete")]


async def test_a_relationship_that_is_assigned_changes_the_key(manager: DatabaseManager) -> None:
    ada, grace = Customer(name="Ada"), Customer(name="Grace")
    note = Note(text="hello", customer=ada)
    await stored(manager, ada, grace, note)
    await forget(manager)
    async with manager.get_session() as session:
        found = await session.get_one(Note, note.id)
        found.customer = await session.get_one(Customer, grace.id)
        await session.commit()
    assert await seen(manager) == [("Note", "update", {"customer_id": str(ada.id)}, {"customer_id": str(grace.id)})]


async def test_what_was_before_is_what_the_row_held_and_not_what_the_session_remembers(manager: DatabaseManager) -> None:
    customer = Customer(name="one")
    await stored(manager, customer)
    async with manager.get_session() as slow, manager.get_session() as quick:
        remembered = await slow.get_one(Customer, customer.id)
        await slow.rollback()
        remembered = await slow.get_one(Customer, customer.id)
        await slow.commit()
        (await quick.get_one(Customer, customer.id)).name = "two"
        await quick.commit()
        remembered.name = "three"
        await slow.commit()
    assert [row[2:] for row in await seen(manager)][1:] == [({"name": "one"}, {"name": "two"}), ({"name": "two"}, {"name": "three"})]


async def test_a_field_that_was_never_read_has_its_value_before(manager: DatabaseManager) -> None:
    customer = Customer(name="one")
    await stored(manager, customer)
    async with manager.get_session() as session:
        found = await session.get_one(Customer, customer.id)
        await session.run_sync(lambda sync: sync.expire_all())
        found.visits = 7
        await session.commit()
    assert (await seen(manager))[-1] == ("Customer", "update", {"visits": 0}, {"visits": 7})


async def test_what_the_database_calculates_is_kept(manager: DatabaseManager) -> None:
    customer = Customer(name="Ada", visits=4)
    await stored(manager, customer)
    async with manager.get_session() as session:
        found = await session.get_one(Customer, customer.id)
        await session.run_sync(lambda _: setattr_unchecked(found, "visits", col(Customer.visits) + 1))
        await session.commit()
    assert (await seen(manager))[-1] == ("Customer", "update", {"visits": 4}, {"visits": 5})


def setattr_unchecked(instance: Any, name: str, value: Any) -> None:
    from sqlalchemy.orm.attributes import set_attribute

    set_attribute(instance, name, value)


async def test_hidden_values_are_masked_and_fields_and_classes_can_be_left_out(manager: DatabaseManager) -> None:
    customer = Customer(name="Ada", secret="swordfish", seen=9)
    await stored(manager, customer, Draft(text="nobody asks"))
    async with manager.get_session() as session:
        (await session.get_one(Customer, customer.id)).secret = "shibboleth"
        await session.commit()
    created, changed = await changes(manager)
    assert "seen" not in (values(created.after) or {})
    assert (values(changed.before) or {})["secret"] == (values(changed.after) or {})["secret"] == "***"
    assert "swordfish" not in repr((created, changed))


async def test_a_soft_deletion_is_a_deletion_and_can_be_taken_back(manager: DatabaseManager) -> None:
    paper = Paper(text="x")
    await stored(manager, paper)
    async with manager.get_session() as session:
        found = await session.get_one(Paper, paper.id)
        for moment in (datetime.now(UTC), None):
            found.deleted_at = moment
            await session.commit()
    assert [row[1] for row in await seen(manager)] == ["create", "delete", "restore"]


async def test_values_of_every_kind_restore_exactly(manager: DatabaseManager) -> None:
    row = Everything(
        exact=Decimal("12345678901234567890.000000000100"),
        rounded=Decimal("1.50"),
        whole=2**31 - 1,
        ratio=0.1,
        yes=True,
        day=date(1999, 12, 31),
        hour=time(23, 59, 59, 999999),
        moment=datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=timezone(timedelta(hours=2))),
        span=timedelta(days=-1, microseconds=1),
        color=Color.GREEN,
        other=UUID(int=2**100),
        raw=b"\x00\xff\xfe",
        data={"a": [1, None, "ü\n\"'"], "b": {"c": 1.5}},
        text="\u2028 ,;\t\r\n'\"",
    )
    await stored(manager, row)
    (change,) = await changes(manager)
    back = restored(Everything, change.after)
    assert back == {name: getattr(row, name) for name in Everything.model_fields}
    assert str(back["exact"]) == "12345678901234567890.000000000100"
    assert back["moment"].utcoffset() == timedelta(0)
    async with manager.get_session() as session:
        assert {name: getattr(await session.get_one(Everything, row.id), name) for name in back} == back


async def test_a_rolled_back_or_failed_change_leaves_nothing(manager: DatabaseManager) -> None:
    await stored(manager, Note(text="first", code="a"))
    async with manager.get_session() as session:
        session.add(Note(text="second"))
        await session.flush()
        await session.rollback()
        session.add_all([Note(text="third"), Note(text="fourth", code="a")])
        with pytest.raises(IntegrityError):
            await session.commit()
        await session.rollback()
        async with session.begin_nested() as nested:
            session.add(Note(text="fifth"))
            await session.flush()
            await nested.rollback()
        session.add(Note(text="sixth"))
        await session.commit()
    assert [row[3]["text"] for row in await seen(manager)] == ["first", "sixth"]


async def test_a_transaction_that_is_repeated_leaves_its_history_once(manager: DatabaseManager) -> None:
    customer = Customer(name="Ada")
    await stored(manager, customer)

    async def visit(session: Any) -> None:
        found = await session.get_one(Customer, customer.id, populate_existing=True)
        await asyncio.sleep(0)
        found.visits += 1

    async def one() -> None:
        async with manager.get_session() as session:
            await session.run_transaction(visit, session)

    await asyncio.gather(*(one() for _ in range(8)))
    counts = [(row[2]["visits"], row[3]["visits"]) for row in (await seen(manager))[1:]]
    assert counts == [(number, number + 1) for number in range(8)]


async def test_concurrent_changes_of_a_row_make_one_chain(manager: DatabaseManager) -> None:
    """Without anything that keeps updates from being lost: what each of them replaced is kept all the same."""
    customer = Customer(name="-1")
    await stored(manager, customer)

    async def rename(number: int) -> None:
        async with manager.get_session() as session:
            found = await session.get_one(Customer, customer.id)
            await asyncio.sleep(0)
            found.name = str(number)
            await session.commit()

    await asyncio.gather(*(rename(number) for number in range(12)))
    chain = [(row[2]["name"], row[3]["name"]) for row in (await seen(manager))[1:]]
    assert [before for before, _ in chain] == ["-1", *(after for _, after in chain[:-1])]
    assert sorted(int(after) for _, after in chain) == list(range(12))


@dataclass
class Person:
    sub: str
    user_email: str | None = None


@pytest.mark.parametrize(
    ("person", "signed"),
    [(None, ("system", None)), (Person("u-1", "ada@example.org"), ("u-1", "ada@example.org")), (Person("robot"), ("robot", None))],
)
async def test_whoever_acts_signs(manager: DatabaseManager, person: Person | None, signed: tuple[str, str | None]) -> None:
    token = actor_var.set(person)
    try:
        async with manager.get_session(label="POST /notes") as session:
            session.add(Note(text="x"))
            await session.commit()
    finally:
        actor_var.reset(token)
    (change,) = await changes(manager)
    assert ((change.changed_by, change.changed_by_email), change.label, change.run_id) == (signed, "POST /notes", None)


# -- statements -----------------------------------------------------------------------------------------------------------


NOTES: Any = vars(Note)["__table__"]


@pytest.mark.parametrize("target", [Note, NOTES], ids=["entity", "table"])
async def test_an_update_of_many_rows_is_kept_row_by_row(manager: DatabaseManager, target: Any) -> None:
    await stored(manager, *(Note(text=name) for name in "abc"))
    await forget(manager)
    async with manager.get_session() as session:
        result = await session.exec(update(target).where(NOTES.c.text != "b").values(text=NOTES.c.text + "!"))
        assert result.rowcount == 2
        await session.commit()
    rows = await seen(manager)
    assert sorted(rows, key=str) == [
        ("Note", "update", {"text": "a"}, {"text": "a!"}),
        ("Note", "update", {"text": "c"}, {"text": "c!"}),
    ]


async def test_an_update_of_many_rows_signs_and_says_what_it_returned(manager: DatabaseManager) -> None:
    await stored(manager, *(Customer(name=name) for name in "ab"))
    token = actor_var.set(Person("robot"))
    try:
        async with manager.get_session() as session:
            statement = update(Customer).values(name="z").returning(Customer)
            assert {customer.name for customer in (await session.exec(statement)).scalars().all()} == {"z"}
            await session.commit()
    finally:
        actor_var.reset(token)
    for change in (await changes(manager))[2:]:
        after = values(change.after)
        assert after
        assert (change.changed_by, after["updated_by"], after["name"]) == ("robot", "robot", "z")
        assert {"updated_at", "updated_by", "name"} == set(after)


async def test_pending_objects_are_written_before_a_statement_is_counted(manager: DatabaseManager) -> None:
    async with manager.get_session() as session:
        session.add(Note(text="new"))
        await session.exec(update(Note).values(text="newer"))
        await session.commit()
    assert [row[1:] for row in await seen(manager)] == [
        ("create", None, {"text": "new", "code": None, "customer_id": None}),
        ("update", {"text": "new"}, {"text": "newer"}),
    ]


async def test_an_update_by_keys_and_one_with_parameters_are_kept(manager: DatabaseManager) -> None:
    notes = [Note(text=name) for name in "abc"]
    await stored(manager, *notes)
    await forget(manager)
    async with manager.get_session() as session:
        await session.exec(update(Note), params=[{"id": notes[0].id, "text": "A"}, {"id": notes[1].id, "text": "B"}])
        await session.exec(update(Note).where(col(Note.text) == bindparam("was")).values(text="C"), params={"was": "c"})
        await session.commit()
    assert sorted((row[2]["text"], row[3]["text"]) for row in await seen(manager)) == [("a", "A"), ("b", "B"), ("c", "C")]


async def test_an_update_that_looks_at_another_table_is_kept(manager: DatabaseManager) -> None:
    ada = Customer(name="Ada")
    await stored(manager, ada, Note(text="hers", customer=ada), Note(text="nobody's"))
    await forget(manager)
    async with manager.get_session() as session:
        of_ada = select(col(Customer.id)).where(col(Customer.name) == "Ada").scalar_subquery()
        await session.exec(update(Note).where(col(Note.customer_id) == of_ada).values(code="1"))
        await session.exec(update(Note).where(col(Note.customer_id) == col(Customer.id)).values(text="joined"))
        await session.commit()
    assert await seen(manager) == [
        ("Note", "update", {"code": None}, {"code": "1"}),
        ("Note", "update", {"text": "hers"}, {"text": "joined"}),
    ]


@pytest.mark.parametrize("statement", [delete(Note), delete(Note).returning(Note.text), NOTES.delete()], ids=["orm", "returning", "core"])
async def test_a_deletion_of_many_rows_is_kept_row_by_row(manager: DatabaseManager, statement: Delete) -> None:
    await stored(manager, *(Note(text=name) for name in "ab"))
    await forget(manager)
    async with manager.get_session() as session:
        await session.exec(statement)
        await session.commit()
        assert (await session.exec(select(Note))).all() == []
    assert sorted((row[1], row[2]["text"], row[3]) for row in await seen(manager)) == [("delete", "a", None), ("delete", "b", None)]


INSERTS: dict[str, tuple[Insert, Any]] = {
    "rows": (insert(Note), [{"text": "a"}, {"text": "b", "code": "1"}]),
    "values": (insert(Note).values([{"text": "a"}, {"text": "b"}]), None),
    "returning": (insert(Note).returning(Note), [{"text": "a"}, {"text": "b"}]),
    "returning values": (insert(Note).values([{"text": "a"}, {"text": "b"}]).returning(col(Note.text)), None),
    "table": (NOTES.insert(), [{"text": "a"}, {"text": "b"}]),
}


@pytest.mark.parametrize("name", INSERTS)
async def test_an_insert_of_many_rows_is_kept_row_by_row(manager: DatabaseManager, name: str) -> None:
    statement, parameters = INSERTS[name]
    async with manager.get_session() as session:
        result: Any = await session.exec(statement, params=parameters)
        if name == "returning":
            assert [note.text for note in result.scalars().all()] == ["a", "b"]
        elif name == "returning values":
            assert result.all() == [("a",), ("b",)]
        elif name == "values":
            assert result.rowcount == 2
        await session.commit()
        keys = {str(key) for key in (await session.exec(select(col(Note.id)))).all()}
    found = await changes(manager)
    assert {change.row_key for change in found} == keys
    assert sorted((change.action, (values(change.after) or {})["text"]) for change in found) == [("create", "a"), ("create", "b")]


async def test_an_insert_from_a_query_is_kept(manager: DatabaseManager) -> None:
    await stored(manager, Customer(name="Ada"))
    async with manager.get_session() as session:
        source = select(col(Customer.id), col(Customer.name))
        await session.exec(insert(Note).from_select(["id", "text"], source))
        await session.commit()
    assert [row[1:] for row in await seen(manager, "Note")] == [("create", None, {"text": "Ada", "code": None, "customer_id": None})]


async def test_of_an_upsert_what_was_inserted_or_replaced_is_kept(manager: DatabaseManager) -> None:
    dialect = sqlite if "sqlite" in str(manager.url) else postgresql
    await stored(manager, Note(text="old", code="a"))
    await forget(manager)
    rows = [{"text": "new", "code": "a"}, {"text": "other", "code": "b"}]
    async with manager.get_session() as session:
        await session.exec(dialect.insert(Note).on_conflict_do_nothing(index_elements=["code"]), params=rows)
        await session.commit()
        assert [(row[1], row[3]["text"]) for row in await seen(manager)] == [("create", "other")]
        statement = dialect.insert(Note).values(text="new", code="a")
        await session.exec(statement.on_conflict_do_update(index_elements=["code"], set_={"text": "new"}))
        await session.commit()
    assert [(row[1], row[2], row[3]["text"]) for row in await seen(manager)][1:] == [("update", None, "new")]


@stores.only(stores.POSTGRESQL)
async def test_a_row_that_comes_while_a_statement_looks_is_not_changed_by_it(manager: DatabaseManager) -> None:
    """It is as if it came a moment later; else it would change without a history."""
    await stored(manager, Note(text="first"))
    await forget(manager)

    def intrude(statement: str) -> bool:
        return statement.startswith("SELECT") and "FOR NO KEY UPDATE" in statement

    async with manager.get_session() as session, manager.get_session() as intruder:
        intruder.add(Note(text="intruder"))
        await intruder.flush()
        committed = asyncio.Event()
        await _after_statement(manager, intrude, intruder.commit, committed)
        await session.exec(update(Note).values(code=None, text="changed"))
        await session.commit()
        assert committed.is_set()
        assert set((await session.exec(select(col(Note.text)))).all()) == {"changed", "intruder"}
    assert [row[1] for row in await seen(manager)].count("update") == 1


async def _after_statement(manager: DatabaseManager, chosen: Any, action: Any, done: asyncio.Event) -> None:
    """Await *action* after the first statement that is *chosen*."""
    from sqlalchemy.util import await_only

    def hook(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if not done.is_set() and chosen(statement):
            done.set()
            await_only(action())

    event.listen(manager.get_engine().sync_engine, "after_cursor_execute", hook)


# -- what it costs --------------------------------------------------------------------------------------------------------


@pytest.fixture
def statements(manager: DatabaseManager) -> list[str]:
    said: list[str] = []

    def listen(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        said.append(statement)

    event.listen(manager.get_engine().sync_engine, "before_cursor_execute", listen)
    return said


async def test_a_flush_writes_its_history_with_one_statement(manager: DatabaseManager, statements: list[str]) -> None:
    await stored(manager, *(Note(text=str(number)) for number in range(50)))
    assert len([said for said in statements if "planar_entity_change" in said]) == 1


async def test_rows_that_a_flush_changes_are_read_with_one_statement(manager: DatabaseManager, statements: list[str]) -> None:
    await stored(manager, *(Note(text=str(number)) for number in range(50)))
    async with manager.get_session() as session:
        notes = (await session.exec(select(Note))).all()
        for note in notes:
            note.text += "!"
        statements.clear()
        await session.commit()
    assert len([said for said in statements if said.startswith("SELECT")]) == 1
    assert len([said for said in statements if "planar_entity_change" in said]) == 1


async def test_a_session_that_reads_does_nothing_for_history(manager: DatabaseManager, statements: list[str]) -> None:
    await stored(manager, Note(text="x"))
    statements.clear()
    async with manager.get_session() as session:
        await session.exec(select(Note))
        await session.exec(text("select 1"))
        await session.commit()
    assert not [said for said in statements if "planar_entity_change" in said]
    assert len([said for said in statements if said.lower().startswith("select")]) == 2
