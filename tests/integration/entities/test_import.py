"""Files become rows: every line or none, and what does not fit is told by its line."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlmodel import col, select

from planar.context import bind_services
from planar.db.history import PlanarEntityChange
from planar.entities import import_checking, import_matching, writing
from planar.entities.formats import Delimiter, Format
from planar.entities.import_lines import FileStyle, Mode
from planar.entities.import_report import ImportPlan, ImportReport
from planar.entities.transfer_service import bring_in
from tests.databases import Databases
from tests.integration.entities.register import V1, Item, Register, Shade, Slip, open_register
from tests.integration.entities.test_relations import statements

pytestmark = pytest.mark.anyio


@pytest.fixture
async def register(databases: Databases) -> AsyncIterator[Register]:
    async with open_register(databases) as opened:
        yield opened


async def bring(
    register: Register, entity: str, content: str | bytes, mode: str = "create", format: str = "csv", **more: Any
) -> ImportReport:
    raw = content.encode() if isinstance(content, str) else content
    style = FileStyle(Format(format), Delimiter(more.pop("delimiter", "auto")), more.pop("safe", False))
    with bind_services(register.app.services):
        return await bring_in(entity, io.BytesIO(raw), ImportPlan(Mode(mode), style, **more), "a test")


async def items(register: Register) -> list[Item]:
    async with register.app.db_manager.get_session() as session:
        return list((await session.exec(select(Item).order_by(col(Item.code)))).all())


def told(report: ImportReport) -> list[tuple[int, str | None]]:
    return [(problem.line, problem.field) for problem in report.errors]


async def test_each_line_becomes_a_row(register: Register) -> None:
    report = await bring(register, "Item", "code,title,amount,shade,active\na,Apple,1.50,dark,false\nb,,2,light,true\n")
    assert (report.committed, report.lines, report.created, report.error_count) == (True, 2, 2, 0)
    a, b = await items(register)
    assert (a.code, a.title, a.amount, a.shade, a.active) == ("a", "Apple", Decimal("1.50"), Shade.DARK, False)
    assert (b.code, b.title, b.amount) == ("b", None, Decimal(2))


async def test_json_lines_become_rows(register: Register) -> None:
    lines = '{"code": "a", "exact": 0.1234567890123456789012, "data": {"x": [1.5, null]}}\n\n{"code": "b", "title": ""}\n'
    report = await bring(register, "Item", lines, format="jsonl")
    assert (report.committed, report.created) == (True, 2)
    a, b = await items(register)
    assert (a.exact, a.data, a.title, b.title) == (Decimal("0.1234567890123456789012"), {"x": [1.5, None]}, None, "")


async def test_no_value_and_an_empty_text_are_two_things(register: Register) -> None:
    await bring(register, "Item", 'code,title,count\na,,\nb,"",3\n')
    a, b = await items(register)
    assert (a.title, a.count, b.title, b.count) == (None, 0, "", 3)


@pytest.mark.parametrize("sign", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
async def test_delimiters_line_ends_and_a_mark_are_understood(register: Register, sign: str, end: str) -> None:
    text = f'code{sign}title{end}a{sign}"x{sign}""y""{end}z"{end}{end}b{sign}ü'
    report = await bring(register, "Item", "\ufeff".encode() + text.encode())
    assert (report.error_count, report.created) == (0, 2)
    assert [item.title for item in await items(register)] == [f'x{sign}"y"{end}z', "ü"]


async def test_one_bad_line_keeps_everything_out_and_all_bad_lines_are_told(register: Register) -> None:
    lines = ["code,amount,count,day"]
    lines += [f"c{number},1,1,2024-01-01" for number in range(250)]
    lines[5] = "c4,x,1,2024-01-01"
    lines[123] = "c122,1,y,2024-13-01"
    lines[200] = "c0,1,1,2024-01-01"
    lines[240] = "c239,1"
    report = await bring(register, "Item", "\n".join(lines))
    assert (report.committed, report.lines) == (False, 250)
    assert told(report) == [(6, "amount"), (124, "count"), (124, "day"), (201, "code"), (241, None)]
    assert report.error_count == 5
    assert await items(register) == []
    async with register.app.db_manager.get_session() as session:
        assert (await session.exec(select(PlanarEntityChange))).all() == []


async def test_a_hundred_errors_are_shown_and_all_are_counted(register: Register) -> None:
    report = await bring(register, "Item", "code,count\n" + "x,y\n" * 333)
    assert (report.error_count, len(report.errors), report.lines) == (333, 100, 333)
    answer = await register.client.post(f"{V1}/Item/import", content=b"code,count\n" + b"x,y\n" * 333, headers={"content-type": "text/csv"})
    assert (answer.status_code, answer.json()["code"]) == (422, "import_refused")
    assert len(answer.json()["detail"]) == 101
    assert "233 more of 333" in answer.json()["detail"][-1]["msg"]
    assert answer.json()["detail"][0]["loc"] == ["body", 2, "count"]


async def test_a_trial_does_everything_and_leaves_nothing(register: Register) -> None:
    await register.stored(Item(code="a"))
    report = await bring(register, "Item", "code\nb\na\n", dry_run=True)
    assert (report.committed, report.dry_run, told(report)) == (False, True, [(3, "code")])
    report = await bring(register, "Item", "code\nb\nc\n", dry_run=True)
    assert (report.committed, report.created, report.error_count) == (False, 2, 0)
    assert [item.code for item in await items(register)] == ["a"]


async def test_rows_that_are_there_are_changed_and_columns_that_are_not_stay(register: Register) -> None:
    await register.stored(Item(code="a", title="one", count=1), Item(code="b", title="two", count=2))
    a, b = await items(register)
    report = await bring(register, "Item", f"id,title\n{a.id},uno\n{b.id},\n", mode="update")
    assert (report.committed, report.updated, report.created) == (True, 2, 0)
    assert [(item.title, item.count) for item in await items(register)] == [("uno", 1), (None, 2)]


async def test_an_update_of_a_row_that_is_not_there_is_told(register: Register) -> None:
    await register.stored(Item(code="a"))
    report = await bring(register, "Item", f"id,title\n{uuid4()},x\n,y\nnonsense,z\n", mode="update")
    assert [(problem.line, problem.field, problem.type) for problem in report.errors] == [
        (2, "id", "instance_not_found"),
        (3, "id", "missing"),
        (4, "id", "value_error"),
    ]


async def test_an_upsert_takes_what_is_there_and_makes_the_rest(register: Register) -> None:
    await register.stored(Item(code="a", title="old"))
    report = await bring(register, "Item", "code,title\na,new\nb,made\nb,made again\n", mode="upsert", match="code")
    assert (report.committed, report.created, report.updated, report.lines) == (True, 1, 2, 3)
    assert [(item.code, item.title) for item in await items(register)] == [("a", "new"), ("b", "made again")]


async def test_an_upsert_needs_of_a_line_what_becomes_of_it_needs(register: Register) -> None:
    await register.stored(Item(code="a", title="old"))
    (a,) = await items(register)
    report = await bring(register, "Item", f"id,title\n{a.id},new\n", mode="upsert")
    assert (report.committed, report.updated) == (True, 1)
    report = await bring(register, "Item", f"id,title\n{a.id},newer\n{uuid4()},made\n", mode="upsert")
    assert [(problem.line, problem.field, problem.type) for problem in report.errors] == [(3, "code", "missing")]
    assert [item.title for item in await items(register)] == ["new"]


@pytest.mark.parametrize("mode", ["create", "upsert"])
async def test_nothing_is_asked_of_the_database_until_all_lines_are_read(
    register: Register, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    monkeypatch.setattr(import_checking, "BATCH", 2)
    told: list[int] = []
    with statements(register) as asked, bind_services(register.app.services):
        plan = ImportPlan(Mode(mode), FileStyle(Format.CSV), match="code")
        file = io.BytesIO(b"code,count\na,1\nb,x\nc,3\nd,4\ne,5\n")
        report = await bring_in("Item", file, plan, "a test", lambda report: told.append(0 if report.created else len(asked)))
    # Three batches are read, and as many are written, as far as they fit.
    assert told == [0] * 6
    assert (report.created, report.lines, report.error_count, report.committed) == (4, 5, 1, False)


async def test_an_upsert_by_key_keeps_the_key_that_is_given(register: Register) -> None:
    key = UUID(int=7)
    assert (await bring(register, "Item", f"id,code\n{key},a\n,b\n", mode="upsert")).committed
    a, b = await items(register)
    assert a.id == key
    assert b.id != key


async def test_the_key_of_a_row_cannot_be_changed(register: Register) -> None:
    await register.stored(Item(code="a"))
    report = await bring(register, "Item", f"id,code,title\n{uuid4()},a,x\n", mode="update", match="code")
    assert [(problem.line, problem.field, problem.type) for problem in report.errors] == [(2, "id", "extra_forbidden")]


async def test_several_rows_for_one_value_are_refused(register: Register) -> None:
    await register.stored(Item(code="a", title="x"), Item(code="b", title="x"))
    report = await bring(register, "Item", "title,count\nx,5\n", mode="update", match="title")
    assert [(problem.line, problem.type) for problem in report.errors] == [(2, "not_unique")]


async def test_what_the_program_sets_is_left_out_and_named(register: Register) -> None:
    report = await bring(register, "Item", "code,made,created_at,created_by\na,elsewhere,2001-01-01,nobody\n")
    assert (report.committed, report.ignored) == (True, ["made", "created_at", "created_by"])
    (item,) = await items(register)
    assert (item.made, item.created_by) == ("here", "system")
    assert item.created_at.year > 2001


@pytest.mark.parametrize(
    ("content", "field", "word"),
    [
        ("", None, "empty"),
        ("code,colour\na,b\n", "colour", "no field 'colour'"),
        ("code,secret\na,b\n", "secret", "no field"),
        ("code,code\na,b\n", "code", "twice"),
        ("title\na\n", "code", "missing"),
        ('code,"title\na,b\n', None, "never closed"),
        (b"\xff\xfec\x00o\x00", None, "UTF-16"),
        ("code,\na,b\n", None, "no field ''"),
    ],
)
async def test_a_header_that_does_not_fit_is_told_at_its_line(register: Register, content: Any, field: str | None, word: str) -> None:
    report = await bring(register, "Item", content)
    assert not report.committed
    problem = report.errors[0]
    assert (problem.line, problem.field) == (1, field)
    assert word in problem.message


async def test_a_byte_that_is_not_utf8_is_told_by_its_line(register: Register) -> None:
    report = await bring(register, "Item", b'code,title\na,x\nb,"y\nM\xfcller"\nc,Stra\xdfe\nd,z\n')
    assert [problem.line for problem in report.errors] == [4, 5]
    assert "UTF-8" in report.errors[0].message


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("{", None),
        ("[1]", None),
        ('{"code": "a", "code": "b"}', None),
        ('{"code": "a", "ratio": NaN}', None),
        ('{"code": "a", "count": 1e400}', "count"),
        ('{"code": "a", "nothing": 1}', "nothing"),
        ('{"title": "a"}', "code"),
        ('{"code": "a\\u0000"}', "code"),
        ('{"code": "a", "count": 99999999999}', "count"),
        ('{"code": "a", "raw": "!"}', "raw"),
        ('{"code": "a", "shelf_id": "018f0000-0000-7000-8000-000000000000"}', "shelf_id"),
        ('{"code": "a", "data": ' + "[" * 5000 + "]" * 5000 + "}", None),
    ],
)
async def test_a_json_line_that_does_not_fit_is_told(register: Register, line: str, field: str | None) -> None:
    report = await bring(register, "Item", '{"code": "good"}\n' + line + "\n", format="jsonl")
    assert (report.committed, report.error_count) == (False, 1)
    assert told(report) == [(2, field)]


async def test_rows_of_one_file_may_refer_to_each_other_in_its_order(register: Register) -> None:
    shelf = UUID(int=9)
    await bring(register, "Shelf", f"id,name\n{shelf},high\n")
    report = await bring(register, "Item", f"code,shelf_id\na,{shelf}\nb,{uuid4()}\n")
    assert told(report) == [(3, "shelf_id")]


async def test_the_history_names_who_brought_it(register: Register) -> None:
    answer = await register.client.post(f"{V1}/Item/import", content=b"code\na\nb\n", headers={"content-type": "text/csv"})
    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "entity_name": "Item",
        "mode": "create",
        "dry_run": False,
        "committed": True,
        "lines": 2,
        "created": 2,
        "updated": 0,
        "error_count": 0,
        "errors": [],
        "ignored_fields": [],
    }
    changes = (await register.get("/Item/history")).json()["items"]
    assert {change["changed_by"] for change in changes} == {"ada"}
    assert {change["label"] for change in changes} == {"POST /planar/v1/entities/Item/import"}


async def test_a_trial_over_http_reports_what_does_not_fit(register: Register) -> None:
    answer = await register.client.post(
        f"{V1}/Item/import?dry_run=true&format=csv", content=b"code,count\na,x\n", headers={"content-type": "application/octet-stream"}
    )
    assert answer.status_code == 200
    body = answer.json()
    assert (body["committed"], body["error_count"]) == (False, 1)
    assert body["errors"][0]["line"] == 2
    assert body["errors"][0]["field"] == "count"


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "", "application/octet-stream"])
async def test_what_does_not_say_that_it_is_such_a_file_is_refused(register: Register, kind: str) -> None:
    headers = {"content-type": kind} if kind else {}
    answer = await register.client.post(f"{V1}/Item/import", content=b"code\na\n", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_error")
    assert await items(register) == []


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/Nothing/import", 404, "entity_not_found"),
        ("/Sealed/import", 403, "entity_read_only"),
        ("/Item/import?mode=destroy", 422, "validation_error"),
        ("/Item/import?match=data", 422, "validation_error"),
        ("/Item/import?match=nothing", 422, "validation_error"),
        ("/Shelf/import?match=secret", 422, "validation_error"),
        ("/Item/import?delimiter=x", 422, "validation_error"),
        ("/Item/import?format=xml", 422, "validation_error"),
    ],
)
async def test_wrong_questions_are_refused(register: Register, path: str, status: int, code: str) -> None:
    answer = await register.client.post(V1 + path, content=b"code\na\n", headers={"content-type": "text/csv"})
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text


async def deleted(register: Register, *slips: Slip) -> None:
    """Store slips that are marked as deleted."""
    for slip in slips:
        slip.deleted_at = datetime.now(UTC)
    await register.stored(*slips)


async def slips(register: Register) -> list[tuple[str, bool]]:
    """The texts of the slips, and whether they are deleted."""
    async with register.app.db_manager.get_session() as session:
        return sorted((slip.text, slip.deleted_at is not None) for slip in (await session.exec(select(Slip))).all())


@pytest.mark.parametrize("mode", ["update", "upsert"])
async def test_a_row_that_is_marked_as_deleted_is_not_changed(register: Register, mode: str) -> None:
    slip = Slip(text="x")
    await deleted(register, slip)
    report = await bring(register, "Slip", f"id,text\n{slip.id},y\n", mode=mode)
    assert [(problem.line, problem.field, problem.type) for problem in report.errors] == [(2, "id", "instance_not_found")]
    assert "The Slip with this id is deleted" in report.errors[0].message
    report = await bring(register, "Slip", "text\nx\nz\n", mode=mode, match="text")
    assert [(problem.line, problem.field) for problem in report.errors] == [(2, "text"), (3, "text")][: 1 if mode == "upsert" else 2]
    assert "The Slip with this text is deleted" in report.errors[0].message
    assert await slips(register) == [("x", True)]


@pytest.mark.parametrize("mode", ["update", "upsert"])
async def test_a_row_is_found_beside_deleted_ones_with_the_same_value(register: Register, mode: str) -> None:
    await deleted(register, Slip(text="x"), Slip(text="x"))
    await register.stored(there := Slip(text="x"))
    report = await bring(register, "Slip", f"text,id\nx,{there.id}\n", mode=mode, match="text")
    assert (report.committed, report.updated, report.created) == (True, 1, 0), report.errors
    assert await slips(register) == [("x", False), ("x", True), ("x", True)]


async def test_changes_are_written_in_the_order_of_the_file_where_that_of_the_keys_does_not_fit(register: Register) -> None:
    # The ORM would write a before b.
    a, b = Item(id=UUID(int=1), code="x"), Item(id=UUID(int=2), code="y")
    await register.stored(a, b)
    lines = "".join(json.dumps({"id": str(row), "code": code}) + "\n" for row, code in ((b.id, "z"), (a.id, "y")))
    report = await bring(register, "Item", lines, mode="update", format="jsonl")
    assert (report.committed, report.updated) == (True, 2)
    assert [(item.id.int, item.code) for item in await items(register)] == [(1, "y"), (2, "z")]
    changes = (await register.get("/Item/history")).json()["items"]
    assert [change["label"] for change in changes].count("a test") == 2


async def test_a_refusal_that_tells_of_no_row_is_told_at_the_first(register: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    async def none_alone(*_: Any) -> None:
        """As if another transaction had been in the way, and were no more."""

    monkeypatch.setattr(writing, "refused", none_alone)
    await register.stored(Item(code="a"))
    report = await bring(register, "Item", "code\na\nb\n")
    assert (report.committed, told(report)) == (False, [(2, "code")])


async def test_a_value_that_a_line_frees_is_there_for_the_next_line(register: Register) -> None:
    # All of them stand in one batch.
    await register.stored(a := Item(code="x"), b := Item(code="p"))
    lines = f"id,code\n{a.id},y\n{uuid4()},x\n{b.id},q\n{uuid4()},p\n"
    report = await bring(register, "Item", lines, mode="upsert")
    assert (report.committed, report.created, report.updated) == (True, 2, 2), report.errors
    assert [item.code for item in await items(register)] == ["p", "q", "x", "y"]


async def test_a_value_that_a_later_line_frees_is_not_there_yet(register: Register) -> None:
    await register.stored(a := Item(code="x"))
    report = await bring(register, "Item", f"id,code\n{uuid4()},x\n{a.id},y\n", mode="upsert")
    assert [(problem.line, problem.field, problem.type) for problem in report.errors] == [(2, "code", "not_unique")]


@pytest.mark.parametrize("mode", ["update", "upsert"])
@pytest.mark.parametrize(
    ("content", "format", "line"),
    [
        ('{"code": "a"}\n{"code": "\\ud800"}\n', "jsonl", 2),
        ('{"code": "a"}\n{"code": "x\\u0000"}\n', "jsonl", 2),
        ("code\na\nx\0\n", "csv", 3),
    ],
)
async def test_a_value_that_no_row_can_have_finds_none(register: Register, mode: str, content: str, format: str, line: int) -> None:
    await register.stored(Item(code="a"))
    answer = await register.client.post(
        f"{V1}/Item/import?match=code&mode={mode}&format={format}", content=content, headers={"content-type": "application/octet-stream"}
    )
    assert answer.status_code == 422, answer.text
    assert [(found["loc"], found["type"]) for found in answer.json()["detail"]] == [(["body", line, "code"], "value_error")]


@pytest.mark.parametrize("mode", ["update", "upsert"])
async def test_a_row_that_got_another_value_meanwhile_is_not_the_one_that_is_meant(
    register: Register, monkeypatch: pytest.MonkeyPatch, mode: str
) -> None:
    await register.stored(Item(code="a", title="old"))
    in_the_way(register, monkeypatch, [("a", "b")])
    report = await bring(register, "Item", "code,title\na,new\n", mode=mode, match="code")
    found = [(item.code, item.title) for item in await items(register)]
    if mode == "upsert":
        assert (report.created, report.updated, found) == (1, 0, [("a", "new"), ("b", "old")])
    else:
        assert ([problem.type for problem in report.errors], found) == (["instance_not_found"], [("b", "old")])


async def test_a_row_that_got_the_value_meanwhile_is_found(register: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    await register.stored(Item(code="a", title="first"), Item(code="c", title="second"))
    in_the_way(register, monkeypatch, [("a", "b"), ("c", "a")])
    report = await bring(register, "Item", "code,title\na,new\n", mode="upsert", match="code")
    assert (report.committed, report.updated) == (True, 1)
    assert [(item.code, item.title) for item in await items(register)] == [("a", "new"), ("b", "first")]


def in_the_way(register: Register, monkeypatch: pytest.MonkeyPatch, changes: list[tuple[str, str]]) -> None:
    """Let another session change codes after rows were found, and before they are held."""
    hold = import_matching.hold_rows

    async def held(*arguments: Any) -> Any:
        async with register.app.db_manager.get_session() as session:
            while changes:
                before, after = changes.pop(0)
                (await session.exec(select(Item).where(col(Item.code) == before))).one().code = after
                await session.flush()
            await session.commit()
        return await hold(*arguments)

    monkeypatch.setattr(import_matching, "hold_rows", held)
