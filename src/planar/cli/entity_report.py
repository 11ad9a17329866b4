"""How is told what became of a file? For people, or as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict

from planar.entities.import_report import ImportReport


def print_entities(counts: Mapping[str, int], *, as_json: bool) -> None:
    """Print entities with their numbers of rows."""
    if as_json:
        print(json.dumps(dict(counts), ensure_ascii=False))
        return
    width = max(map(len, counts), default=0)
    for name, count in counts.items():
        print(f"{name:<{width}}  {count}")
    if not counts:
        print("The app serves no entities: app.register_entity(...) adds one.")


def print_import(report: ImportReport, *, as_json: bool) -> None:
    """Print what an import did."""
    if as_json:
        print(json.dumps(asdict(report), ensure_ascii=False))
        return
    for line in import_lines(report):
        print(line)


def import_lines(report: ImportReport) -> list[str]:
    """The report in lines."""
    lines = [f"line {found.line}{f', {found.field}' if found.field else ''}: {found.message}" for found in report.errors]
    hidden = report.error_count - len(report.errors)
    if hidden:
        lines.append(f"... and {hidden} more errors")
    if report.ignored:
        lines.append(f"not taken from the file, as the program sets it: {', '.join(report.ignored)}")
    done = f"{report.lines} lines: {report.created} created, {report.updated} updated"
    if report.error_count:
        lines.append(f"{report.lines} lines, {report.error_count} errors. Nothing was written.")
    else:
        lines.append(f"{done}. Nothing was written: this was a trial." if report.dry_run else f"{done}.")
    return lines
