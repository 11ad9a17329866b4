"""Rows become files, and files the same rows again: of every type, whatever stands in a text."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlmodel import col, delete, select

from planar.context import bind_services
from planar.entities.exporting import ExportRequest
from planar.entities.formats import Delimiter, Format
from planar.entities.import_lines import FileStyle, Mode
from planar.entities.import_report import ImportPlan
from planar.entities.transfer_service import bring_in, take_out
from planar.security.actions import Action, EntityAction
from planar.security.auth_context import Principal
from planar.security.authorization import Decision
from planar.security.resources import ResourceDescriptor
from tests.databases import Databases
from tests.integration.entities.register import V1, Item, Register, Shade, Shelf, Slip, open_register

pytestmark = pytest.mark.anyio

TEXTS = (  # what a careless writer or reader of files gets wrong
    "",
    " ",
    "  x  ",
    "a,b",
    "a;b",
    "a\tb",
    "a|b",
    '"',
    '""',
    'say "so"',
    "two\nlines",
    "two\r\nlines",
    "\n",
    "\r",
    "a\rb",
    "'",
    "''=1",
    "=1+1",
    "+1",
    "-1",
    "@x",
    "\tx",
    "'=1",
    "null",
    "NULL",
    "\\N",
    "ü ß €",
    "\u2028\u2029\x85\x0b",
    "😀",
    "\ufeff",
    "x" * 10_000,
    "0",
    "true",
    "{}",
)


def rows() -> list[Item]:
    found = [Item(code=f"t{number:02}", title=text) for number, text in enumerate(TEXTS)]
    found.append(Item(code="none"))
    found.append(
        Item(
            code="all",
            title="x",
            amount=Decimal("-1234567890.12"),
            exact=Decimal("0.000000000000000000000000000001"),
            count=-(2**31),
            ratio=0.1 + 0.2,
            active=False,
            shade=Shade.DARK,
            day=date(1, 1, 1),
            hour=time(23, 59, 59, 999999),
            moment=datetime(2024, 2, 29, 1, 2, 3, 4, tzinfo=timezone(timedelta(hours=-3))),
            span=timedelta(days=-3, seconds=7, microseconds=1),
            other=uuid4(),
            raw=bytes(range(256)),
            data={"a": [1, 2.5, None, 'x,"y"\n', {"b": True}], "": {}},
        )
    )
    big = Decimal("12345678901234567890123456789.5")
    found.append(Item(code="big", exact=big, ratio=-1e-300, raw=b"", data={}, moment=datetime.max.replace(tzinfo=UTC)))
    return found


FIELDS = tuple(name for name in Item.model_fields if name not in ("created_at", "updated_at", "created_by", "updated_by"))


@pytest.fixture
async def register(databases: Databases) -> AsyncIterator[Register]:
    async with open_register(databases) as opened:
        yield opened


async def held(register: Register) -> list[dict[str, Any]]:
    async with register.app.db_manager.get_session() as session:
        found = (await session.exec(select(Item).order_by(col(Item.code)))).all()
    return [{name: getattr(item, name) for name in FIELDS} for item in found]


@pytest.mark.parametrize("delimiter", list(Delimiter))
@pytest.mark.parametrize("safe", [False, True])
async def test_csv_comes_back_as_it_was(register: Register, delimiter: Delimiter, safe: bool) -> None:
    await there_and_back(register, FileStyle(Format.CSV, delimiter, safe))


async def test_json_lines_come_back_as_they_were(register: Register) -> None:
    await there_and_back(register, FileStyle(Format.JSONL))


async def there_and_back(register: Register, style: FileStyle) -> None:
    await register.stored(*rows())
    before = await held(register)
    with bind_services(register.app.services):
        content = b"".join([piece async for piece, _ in take_out("Item", ExportRequest(style, bom=True), "a test")])
        async with register.app.db_manager.get_session() as session:
            await session.exec(delete(Item))
            await session.commit()
        # Where the header has but one kind of sign in it, it is known; a file may also be said to have another.
        report = await bring_in("Item", io.BytesIO(content), ImportPlan(Mode.CREATE, style), "a test")
        assert (report.errors, report.committed) == ([], True)
        assert await held(register) == before
        report = await bring_in("Item", io.BytesIO(content), ImportPlan(Mode.UPSERT, style), "a test")
        assert (report.errors, report.updated) == ([], len(before))
        assert await held(register) == before


async def test_nothing_and_an_empty_text_are_written_differently(register: Register) -> None:
    await register.stored(Item(code="a"), Item(code="b", title=""))
    answer = await register.get("/Item/export", fields="code,title", sort="code")
    assert answer.text == 'code,title\r\na,\r\nb,""\r\n'
    assert answer.headers["content-type"].startswith("text/csv; charset=utf-8")
    assert answer.headers["content-disposition"] == 'attachment; filename="Item.csv"'
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_a_column_of_nothing_alone_keeps_its_lines(register: Register) -> None:
    await register.stored(Item(code="a"), Item(code="b", title=""), Item(code="c"))
    answer = await register.get("/Item/export", fields="title", sort="code")
    assert answer.text == 'title\r\n\r\n""\r\n\r\n'


async def test_json_lines_hold_what_the_api_shows(register: Register) -> None:
    shelf = Shelf(id=UUID(int=1), name="x")
    await register.stored(shelf, Item(code="a", amount=Decimal("1.50"), shelf_id=shelf.id))
    answer = await register.get("/Item/export", format="jsonl")
    assert answer.headers["content-type"] == "application/x-ndjson"
    (line,) = answer.text.splitlines()
    shown = (await register.get("/Item/instances")).json()["items"][0]["data"]
    assert json.loads(line) == shown


async def test_what_is_exported_can_be_chosen(register: Register) -> None:
    await register.stored(*(Item(code=code, count=count) for code, count in (("a", 3), ("b", 1), ("c", 2), ("d", 9))))
    asked = [("fields", "code"), ("sort", "-count"), ("filter", "count:lt:9"), ("filter", "code:ne:c")]
    answer = await register.client.get(f"{V1}/Item/export", params=asked)
    assert answer.text.split() == ["code", "a", "b"]


async def test_deleted_rows_are_exported_on_request(register: Register) -> None:
    await register.stored(Slip(text="here"), Slip(text="gone", deleted_at=datetime.now(UTC)))
    assert (await register.get("/Slip/export", fields="text")).text.split() == ["text", "here"]
    assert (await register.get("/Slip/export", fields="text", deleted="include", sort="text")).text.split() == ["text", "gone", "here"]


async def test_hidden_fields_are_not_exported(register: Register) -> None:
    await register.stored(Shelf(name="x", secret="swordfish"))
    for format in Format:
        answer = await register.get("/Shelf/export", format=format.value)
        assert "swordfish" not in answer.text
        assert "secret" not in answer.text


class NoShelves:
    """Lets nobody list shelves."""

    def decide(self, _principal: Principal | None, action: Action, resource: ResourceDescriptor) -> Decision:
        return Decision((action, resource.resource_id) != (EntityAction.LIST, "Shelf"))


async def test_an_export_looks_across_no_relation_that_its_caller_may_not_list(databases: Databases) -> None:
    async with open_register(databases, lambda app: app.use_authorizer(NoShelves())) as register:
        shelf = Shelf(name="x")
        await register.stored(shelf, Item(code="a", shelf_id=shelf.id))
        for question in ({"filter": "shelf_id.name:eq:x"}, {"sort": "shelf_id.name"}):
            answer = await register.get("/Item/export", fields="code", **question)
            assert answer.status_code == 422, answer.text
        with bind_services(register.app.services):
            asked = ExportRequest(FileStyle(Format.CSV), ["shelf_id.name:eq:x"], fields="code")
            pieces = [piece async for piece, _ in take_out("Item", asked, "a test")]
    assert b"".join(pieces).split() == [b"code", b"a"]


async def test_formulas_can_be_made_harmless(register: Register) -> None:
    await register.stored(Item(code="=cmd", title="-1", count=-1), Item(code="x", title="'@a"))
    answer = await register.get("/Item/export", fields="code,title,count", sort="code", safe="true")
    assert answer.text.splitlines()[1:] == ["'=cmd,'-1,-1", "x,''@a,0"]


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/Nothing/export", 404, "entity_not_found"),
        ("/Item/export?filter=nothing:eq:1", 422, "validation_error"),
        ("/Item/export?sort=data", 422, "validation_error"),
        ("/Item/export?fields=code,nothing", 422, "validation_error"),
        ("/Shelf/export?fields=secret", 422, "validation_error"),
        ("/Item/export?format=xml", 422, "validation_error"),
        ("/Item/export?search=%00", 422, "validation_error"),
    ],
)
async def test_wrong_questions_are_refused(register: Register, path: str, status: int, code: str) -> None:
    answer = await register.client.get(V1 + path)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def test_an_export_sees_one_moment(register: Register) -> None:
    async with register.app.db_manager.get_session() as session:
        session.add_all([Item(code=f"{number:04}") for number in range(1200)])
        await session.commit()
    with bind_services(register.app.services):
        pieces = take_out("Item", ExportRequest(FileStyle(Format.CSV), fields="code,count", sort="code"), "a test")
        content, _ = await anext(pieces)
        async with register.app.db_manager.get_session() as session:
            for item in (await session.exec(select(Item))).all():
                item.count = 1
            await session.commit()
        content += b"".join([piece async for piece, _ in pieces])
    lines = content.decode().splitlines()
    assert len(lines) == 1201
    assert all(line.endswith(",0") for line in lines[1:])
