"""A long file goes in and out with few of its rows in memory."""

from __future__ import annotations

import io
import tracemalloc
from random import Random

import pytest

from planar.context import bind_services
from planar.entities import exporting, import_checking
from planar.entities.exporting import ExportRequest
from planar.entities.formats import Format
from planar.entities.import_lines import FileStyle, Mode
from planar.entities.import_report import ImportPlan, ImportReport
from planar.entities.transfer_service import bring_in, take_out
from tests.databases import Databases
from tests.integration.entities.register import Register, open_register

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


async def test_memory_does_not_grow_with_the_number_of_long_lines(databases: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    # As lines of 8 MB are beside the figures that hold.
    monkeypatch.setattr(import_checking, "BATCH_SIZE", 128 * 1024)
    size = 256 * 1024
    async with open_register(databases) as register:
        await peak(register, 2, size)
        few, many = await peak(register, 8, size), await peak(register, 24, size)
    assert many < 16 * size
    assert many - few < 2 * size


async def peak(register: Register, lines: int, size: int) -> int:
    """How many bytes an import that finds its rows and one that makes them take at most, beside the file."""
    random = Random(lines)
    content = "code,title\n" + "".join(f"{number},{random.randbytes(size // 2).hex()}\n" for number in range(lines))
    file, plan = io.BytesIO(content.encode()), ImportPlan(Mode.UPSERT, FileStyle(Format.CSV), "code")
    del content
    with bind_services(register.app.services):
        tracemalloc.start()
        try:
            for _ in range(2):
                file.seek(0)
                assert (await bring_in("Item", file, plan, "a test")).committed
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
