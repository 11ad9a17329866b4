"""What waits to be written is given back as it was, also what cannot be written into a file."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from pydantic import PrivateAttr
from sqlalchemy import inspect
from sqlmodel import Field, SQLModel

from planar.entities.import_spool import MEMORY, Spool
from planar.entities.registration import read_entity
from planar.entities.row_states import row_of, state_of
from planar.entities.validation import new_row


class Spooled(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str
    price: Decimal = Decimal(0)
    _asked: list[str] = PrivateAttr(default_factory=list[str])


def test_batches_come_back_once_and_in_their_order() -> None:
    def unwritable() -> None: ...

    batches: list[list[int | str | Callable[[], None]]] = [[1, 2], [], [unwritable], ["".join(map(str, range(MEMORY)))], [3]]
    with Spool[int | str | Callable[[], None]]() as spool:
        for batch in batches:
            spool.add(batch)
        assert list(spool.take()) == batches


def test_a_row_is_the_same_after_it_waited() -> None:
    entity = read_entity(Spooled)
    row = new_row(entity, {"name": "a", "price": "1.50"})
    with Spool[object]() as spool:
        spool.add([state_of(row)])
        ((state,),) = spool.take()
    again = row_of(entity, state)  # type: ignore[arg-type] - what was put in
    assert (again.name, again.price, again.id, again.model_fields_set) == ("a", Decimal("1.50"), None, {"name", "price"})  # type: ignore[attr-defined] - its fields
    assert inspect(again).transient
    again.name = "b"  # type: ignore[attr-defined] - its field
    assert (row.name, inspect(again).attrs.name.history.added) == ("a", ["b"])  # type: ignore[attr-defined] - its field
