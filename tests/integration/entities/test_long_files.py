"""A long file goes in and out with few of its rows in memory."""

from __future__ import annotations

import io
import tracemalloc

import pytest

from planar.context import bind_services
from planar.entities import exporting, import_checking
from planar.entities.exporting import ExportRequest
from planar.entities.formats import Format
from planar.entities.import_lines import FileStyle, Mode
from planar.entities.import_report import ImportPlan, ImportReport
from planar.entities.transfer_service import bring_in, take_out
from tests.databases import Databases
from tests.integration.entities.register import open_register

pytestmark = pytest.mark.anyio

LINES = 1000
MOST_BYTES = 512 * 1024
"""How much more may be held at the end than at the half."""


async def test_memory_does_not_grow_with_the_file(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_checking, "BATCH", 50)
    monkeypatch.setattr(exporting, "PORTION", 50)
    title = "x" * 2000
    content = "code,title\n" + "".join(f"{number:06},{title}\n" for number in range(LINES))
    plan, file = ImportPlan(Mode.CREATE, FileStyle(Format.CSV)), io.BytesIO(content.encode())
    del content
    read: dict[int, int] = {}
    written: dict[int, int] = {}

    def note(report: ImportReport) -> None:
        held, count = (written, report.created) if report.created else (read, report.lines)
        held[count] = tracemalloc.get_traced_memory()[0]

    async with open_register(databases) as register:
        with bind_services(register.app.services):
            tracemalloc.start()
            try:
                report = await bring_in("Item", file, plan, "a test", note)
                assert report.created == LINES
                for held in (read, written):
                    assert held[LINES] - held[LINES // 2] < MOST_BYTES
                tracemalloc.reset_peak()
                before, size = tracemalloc.get_traced_memory()[0], 0
                async for piece, _ in take_out("Item", ExportRequest(FileStyle(Format.JSONL)), "a test"):
                    size += len(piece)
                assert size > LINES * len(title)
                assert tracemalloc.get_traced_memory()[1] - before < size / 2
            finally:
                tracemalloc.stop()
