"""What every test may use. Nothing here that a user of Planar could not have in a test suite of their own."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("house", derandomize=True, deadline=None)
settings.load_profile("house")

CRASHES = "crashes at every write"
"""The property of a test that played a story: its name, the store, how many writes it has and how many crashes were tried."""

MEMORY = Path("/dev/shm")
ENOUGH_BYTES = 2 * 1024**3


def _write_to_memory() -> None:
    """Let temporary folders be in memory, if there is room and nobody said where they are: a test that commits need not wait for a disk.

    What a process wrote is there after its death all the same, so a test that kills one loses nothing by it.
    """
    if "TMPDIR" not in os.environ and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ENOUGH_BYTES:
        os.environ["TMPDIR"] = str(MEMORY)  # for the processes that tests start as well
        tempfile.tempdir = None


_write_to_memory()


@pytest.fixture
def anyio_backend() -> str:
    """Planar runs on asyncio only."""
    return "asyncio"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """The figures of the crash suite."""
    reports = [report for found in terminalreporter.stats.values() for report in found if isinstance(report, pytest.TestReport)]
    figures = sorted({tuple(value) for report in reports for name, value in report.user_properties if name == CRASHES})
    if not figures:
        return
    terminalreporter.section("crashes at every write")
    for scenario, database, writes, crashes in figures:
        terminalreporter.write_line(f"{scenario:<28} {database:<8} {writes:>4} writes {crashes:>5} crashes")
    terminalreporter.write_line(f"{'in all':<28} {'':<8} {'':>11} {sum(crashes for *_, crashes in figures):>5} crashes")
