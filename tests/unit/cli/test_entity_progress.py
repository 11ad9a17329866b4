"""An import and an export tell how far they are, in a terminal and only there; and what became of a file."""

from __future__ import annotations

import io
import json
import re

import pytest
from rich.console import Console

from planar.cli.entity_progress import ExportProgress, ImportProgress
from planar.cli.entity_report import import_lines, print_entities, print_import
from planar.entities.import_lines import MOST_SHOWN, Problem
from planar.entities.import_report import ImportReport

FILE = b"x" * 1000


def terminal(*, is_one: bool = True) -> tuple[Console, io.StringIO]:
    shown = io.StringIO()
    return Console(file=shown, force_terminal=is_one, width=100, color_system=None), shown


def last_line(shown: io.StringIO) -> str:
    """What stands in the bar, without what moves the cursor."""
    lines = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.getvalue()).replace("\r", "\n").split("\n")
    return [line for line in lines if line.strip()][-1]


def test_an_import_is_seen_to_read_and_then_to_write() -> None:
    console, shown = terminal()
    file = io.BytesIO(FILE)
    progress, report = ImportProgress(file, len(FILE), console), ImportReport("Item", dry_run=False)
    seen: list[tuple[str, float]] = []

    def show() -> str:
        progress.show(report)
        progress.bar.refresh()
        (task,) = progress.bar.tasks
        seen.append((task.description, task.completed))
        return last_line(shown)

    with progress.bar:
        file.read(200)
        report.lines = 5
        assert re.match(r"reading .* 0\.2/1\.0 kB", show())
        file.read()
        report.lines = 20
        show()
        report.created, report.updated = 3, 1
        assert re.match(r"writing .* 0\.2/1\.0 kB", show())
        report.created = 19
        show()
    assert seen == [("reading", 200), ("reading", 1000), ("writing", 200), ("writing", 1000)]


def test_an_export_is_seen_to_count_its_rows() -> None:
    console, shown = terminal()
    progress = ExportProgress(console)
    with progress.bar:
        progress.show(500)
        progress.show(7)
        progress.bar.refresh()
        assert re.match(r"exporting .*507/", last_line(shown))


def test_without_a_terminal_nothing_is_shown() -> None:
    console, shown = terminal(is_one=False)
    imported, exported = ImportProgress(io.BytesIO(FILE), len(FILE), console), ExportProgress(console)
    with imported.bar, exported.bar:
        imported.show(ImportReport("Item", dry_run=False, lines=1, created=1))
        exported.show(7)
    assert shown.getvalue() == ""


def test_a_report_counts_all_problems_and_keeps_those_of_the_first_lines() -> None:
    report = ImportReport("Item", dry_run=False, lines=500)
    report.tell([Problem(line, "wrong", "code") for line in range(400, 250, -1)])
    report.tell([Problem(3, "no value")])
    assert (report.error_count, len(report.errors)) == (151, MOST_SHOWN)
    lines = import_lines(report)
    assert lines[:2] == ["line 3: no value", "line 251, code: wrong"]
    assert lines[-2:] == ["... and 51 more errors", "500 lines, 151 errors. Nothing was written."]


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_report_says_what_was_done(capsys: pytest.CaptureFixture[str], dry_run: bool) -> None:
    report = ImportReport("Item", dry_run, not dry_run, lines=5, created=3, updated=2, ignored=["made", "created_at"])
    print_import(report, as_json=False)
    end = " Nothing was written: this was a trial." if dry_run else ""
    assert capsys.readouterr().out.splitlines() == [
        "not taken from the file, as the program sets it: made, created_at",
        f"5 lines: 3 created, 2 updated.{end}",
    ]
    print_import(report, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert (told["committed"], told["created"], told["errors"]) == (not dry_run, 3, [])


def test_entities_are_listed_with_their_rows(capsys: pytest.CaptureFixture[str]) -> None:
    print_entities({"Item": 3, "Shelf": 12}, as_json=False)
    assert capsys.readouterr().out == "Item   3\nShelf  12\n"
    print_entities({}, as_json=False)
    assert "register_entity" in capsys.readouterr().out
