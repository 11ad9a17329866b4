"""The lines of a file are written in batches, of which one is in memory."""

from __future__ import annotations

import io

import pytest
from sqlmodel import Field, SQLModel

from planar.entities import import_checking
from planar.entities.formats import Format
from planar.entities.import_checking import Checker
from planar.entities.import_lines import FileStyle, Mode
from planar.entities.import_report import ImportPlan
from planar.entities.registration import read_entity

pytestmark = pytest.mark.anyio


class Checked(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    code: str


async def counts(lines: list[str], mode: Mode = Mode.CREATE) -> list[int]:
    """How many lines each batch has."""
    checker = Checker(read_entity(Checked), ImportPlan(mode, FileStyle(Format.CSV), match="code"))
    file = io.BytesIO("\n".join(["code", *lines]).encode())
    return [batch.count async for batch in checker.batches(file)]


async def test_a_batch_ends_after_so_many_lines_or_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_checking, "BATCH", 3)
    monkeypatch.setattr(import_checking, "BATCH_SIZE", 1000)
    assert await counts([f"c{number}" for number in range(7)]) == [3, 3, 1]
    assert await counts([str(number) * 600 for number in range(5)]) == [2, 2, 1]
    assert await counts(["x" * 5000, "a", "b", "c"]) == [1, 3]
    assert await counts([]) == []


async def test_a_row_is_in_a_batch_once() -> None:
    assert await counts(["a", "b", "a", "a", "c"], Mode.UPSERT) == [2, 1, 2]
