"""An entity has a key, signatures and exact numbers, and its times are aware and in UTC."""

# Annotations are not postponed here: SQLModel reads those of relationships as they stand.

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

import pytest
from pydantic import Field as PydanticField
from pydantic import ValidationError
from sqlalchemy import Column, Connection, DateTime, Float, MetaData, Numeric, event, insert, text, update
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import registry

from planar.context import actor_var
from planar.modeling.column_types import ExactDecimal
from planar.modeling.mixins import TimestampMixin, timestamp_column
from planar.modeling.mixins.auditable import SYSTEM_USER
from planar.modeling.orm import Field, PlanarBaseEntity, Relationship, Session, SQLModel, create_engine


class House(PlanarBaseEntity, registry=registry(metadata=MetaData())):
    """Keeps these tables apart from those of other tests."""


class Customer(House, table=True):
    name: str
    invoices: list["Invoice"] = Relationship(back_populates="customer")


class Invoice(House, TimestampMixin, table=True):
    number: str
    amount: Decimal = Field(default=Decimal(0), max_digits=14, decimal_places=2)
    rate: Annotated[Decimal, PydanticField(gt=0)] | None = None
    fee: Decimal | None = Field(default=None, sa_column=Column(Numeric(6, 3)))
    weight: float | None = Field(default=None, sa_column=Column(Float))
    due: datetime | None = None
    local: datetime | None = Field(default=None, sa_column=Column(DateTime))
    paid_at: datetime | None = timestamp_column(nullable=True, default=None)
    customer_id: UUID | None = Field(default=None, foreign_key="customer.id")
    customer: Customer | None = Relationship(back_populates="invoices")


@dataclass
class Person:
    sub: str
    user_email: str | None = None


@pytest.fixture
def session() -> Iterator[Session]:
    engine = create_engine("sqlite://")
    House.metadata.create_all(engine)
    with Session(engine) as session:
        yield session
    engine.dispose()


@pytest.fixture
def act_as() -> Iterator[Any]:
    tokens = []
    yield lambda person: tokens.append(actor_var.set(person))
    for token in reversed(tokens):
        actor_var.reset(token)


def saved(session: Session, entity: Any) -> Any:
    """*entity* as the database has it."""
    session.add(entity)
    session.commit()
    session.expire_all()
    return session.get(type(entity), entity.id)


def test_a_key_is_a_uuid_that_sorts_by_time_unless_one_is_given(session: Session) -> None:
    first, second = Customer(name="a"), Customer(name="b")
    assert first.id.version == 7
    assert first.id < second.id
    given = UUID(int=5)
    assert saved(session, Customer(id=given, name="c")).id == given


def test_a_decimal_is_exact_and_keeps_its_type_after_reading(session: Session) -> None:
    invoice = saved(session, Invoice(number="1", amount=Decimal("123456789567.89"), rate=Decimal("0.1234567890123456789")))
    assert (invoice.amount, invoice.rate) == (Decimal("123456789567.89"), Decimal("0.1234567890123456789"))


def test_only_decimals_get_an_exact_column() -> None:
    columns = Invoice.__table__.columns  # type: ignore[attr-defined]
    assert isinstance(columns.amount.type, ExactDecimal)
    assert (columns.amount.type.precision, columns.amount.type.scale) == (14, 2)
    assert isinstance(columns.rate.type, ExactDecimal)
    assert (columns.fee.type.precision, columns.fee.type.scale) == (6, 3)
    assert type(columns.weight.type) is Float
    assert type(columns.local.type) is DateTime


def test_construction_and_assignment_are_checked() -> None:
    with pytest.raises(ValidationError):
        Invoice(number="1", amount="much")
    invoice = Invoice(number="1", amount="12.50")
    assert invoice.amount == Decimal("12.50")
    with pytest.raises(ValidationError):
        invoice.rate = Decimal(-1)


def test_the_table_is_named_after_the_class_and_has_no_schema() -> None:
    assert (Invoice.__tablename__, Invoice.metadata.schema) == ("invoice", None)


def test_entities_of_one_application_refer_to_each_other(session: Session) -> None:
    customer = saved(session, Customer(name="ada", invoices=[Invoice(number="1"), Invoice(number="2")]))
    assert {invoice.number for invoice in customer.invoices} == {"1", "2"}


def test_a_new_row_was_changed_when_it_was_made(session: Session) -> None:
    invoice = Invoice(number="1")
    assert invoice.updated_at == invoice.created_at
    assert invoice.created_at.utcoffset() == timedelta(0)
    invoice = saved(session, invoice)
    assert invoice.updated_at == invoice.created_at
    assert invoice.created_at.tzinfo is UTC


def test_a_validated_row_starts_equal_too(session: Session) -> None:
    invoice = Invoice.model_validate({"number": "1", "amount": "2.5"})
    assert (invoice.updated_at, invoice.amount) == (invoice.created_at, Decimal("2.5"))
    invoice = saved(session, invoice)
    assert invoice.updated_at == invoice.created_at


def test_a_given_time_of_change_is_kept(session: Session) -> None:
    then = datetime(2020, 1, 1, tzinfo=UTC)
    invoice = saved(session, Invoice(number="1", created_at=then))
    assert (invoice.created_at, invoice.updated_at) == (then, then)
    later = then + timedelta(days=1)
    assert saved(session, Invoice(number="2", created_at=then, updated_at=later)).updated_at == later


def test_a_class_with_its_own_post_init_starts_equal_too(session: Session) -> None:
    class Note(House, TimestampMixin, table=True):
        text: str

        def model_post_init(self, context: Any, /) -> None: ...

    Note.__table__.create(session.connection())  # type: ignore[attr-defined]
    note = saved(session, Note(text="a"))
    assert note.updated_at == note.created_at


def test_an_update_renews_the_time_of_change_only(session: Session) -> None:
    invoice = saved(session, Invoice(number="1"))
    made = invoice.created_at
    invoice.number = "2"
    invoice = saved(session, invoice)
    assert invoice.created_at == made
    assert invoice.updated_at > made


def test_an_update_of_many_rows_renews_and_signs_them(session: Session, act_as: Any) -> None:
    invoice = saved(session, Invoice(number="1"))
    before = invoice.updated_at
    act_as(Person("u1", "ada@example.com"))
    session.exec(update(Invoice).values(number="3"))
    session.commit()
    assert invoice.updated_at > before
    assert (invoice.created_by, invoice.updated_by) == (SYSTEM_USER, "ada@example.com")


def test_naive_times_are_refused(session: Session) -> None:
    session.add(Invoice(number="1", due=datetime(2025, 1, 1, tzinfo=UTC).replace(tzinfo=None)))
    with pytest.raises(StatementError, match="timezone"):
        session.commit()


def test_a_column_that_may_be_empty_starts_empty(session: Session) -> None:
    assert saved(session, Invoice(number="1")).paid_at is None


def test_rows_inserted_by_hand_get_their_times_and_signatures_from_the_database(session: Session) -> None:
    session.connection().execute(text("INSERT INTO invoice (id, number, amount) VALUES ('0123456789abcdef0123456789abcdef', 'x', '1')"))
    invoice = session.get(Invoice, UUID("01234567-89ab-cdef-0123-456789abcdef"))
    assert invoice is not None
    assert abs(invoice.created_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert (invoice.created_by, invoice.updated_by) == (SYSTEM_USER, SYSTEM_USER)


@pytest.mark.parametrize(
    ("person", "name"),
    [(None, "system"), (Person("u1", "ada@example.com"), "ada@example.com"), (Person("service-7"), "service-7"), (Person(""), "system")],
)
def test_whoever_acts_signs_whatever_the_caller_wrote(session: Session, act_as: Any, person: Person | None, name: str) -> None:
    act_as(person)
    customer = saved(session, Customer(name="a", created_by="mallory", updated_by="mallory"))
    assert (customer.created_by, customer.updated_by) == (name, name)


def test_a_change_is_signed_by_who_changes(session: Session, act_as: Any) -> None:
    act_as(Person("u1", "ada@example.com"))
    customer = saved(session, Customer(name="a"))
    act_as(Person("u2", "bob@example.com"))
    customer.name, customer.updated_by = "b", "mallory"
    customer = saved(session, customer)
    assert (customer.created_by, customer.updated_by) == ("ada@example.com", "bob@example.com")


def test_an_insert_of_many_rows_signs_them(session: Session, act_as: Any) -> None:
    act_as(Person("u1", "ada@example.com"))
    session.connection().execute(insert(Customer), [{"name": "a"}, {"name": "b"}])
    assert session.connection().execute(text("SELECT DISTINCT created_by, updated_by FROM customer")).all() == [("ada@example.com",) * 2]


def test_an_object_in_which_nothing_changed_is_not_written_for_its_signature(session: Session, act_as: Any) -> None:
    customer = saved(session, Customer(name="a"))
    act_as(Person("u2", "bob@example.com"))
    statements: list[str] = []

    def note(_connection: Connection, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    event.listen(session.get_bind(), "before_cursor_execute", note)
    customer.name = "a"
    session.commit()
    assert not [statement for statement in statements if statement.startswith("UPDATE")]


def test_a_handler_that_sets_several_attributes_sets_them_all(session: Session) -> None:
    """A checked assignment may not give the object another dictionary than the one that is being written."""

    def complete(_mapper: Any, _connection: Connection, target: Invoice) -> None:
        target.number, target.amount, target.rate = "7", Decimal(7), Decimal("0.7")

    event.listen(Invoice, "before_insert", complete)
    invoice = saved(session, Invoice(number="1"))
    event.remove(Invoice, "before_insert", complete)
    assert (invoice.number, invoice.amount, invoice.rate) == ("7", Decimal(7), Decimal("0.7"))


def test_a_deletion_is_logged_with_table_and_key(session: Session, caplog: pytest.LogCaptureFixture) -> None:
    customer = saved(session, Customer(name="a"))
    key = str(customer.id)
    with caplog.at_level(logging.INFO):
        session.delete(customer)
        session.commit()
    record = next(record for record in caplog.records if record.getMessage().startswith("entity deleted"))
    assert key in str(vars(record))
    assert "customer" in str(vars(record))


def test_an_entity_is_still_a_model_for_bodies(session: Session) -> None:
    assert issubclass(Invoice, SQLModel)
    assert "amount" in Invoice.model_json_schema()["properties"]
