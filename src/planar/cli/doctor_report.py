"""How is what the doctor found told? As a table for people, or as one JSON object for machines."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from planar._version import VERSION
from planar.cli.options import FailOn
from planar.engine.doctor.diagnosis import Answer
from planar.engine.doctor.findings import Finding, Severity, counted

_STYLES = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that is printed."""

    database: str
    """The address, without its password."""
    at: datetime
    answers: Sequence[Answer]
    exit_code: int


def exit_code(answers: Sequence[Answer], fail_on: FailOn) -> int:
    """2 if there is an error; 1 if there is a warning and *fail_on* says that this matters; else 0."""
    worst = max((finding.severity.rank for finding in _findings(answers)), default=-1)
    if worst >= Severity.ERROR.rank:
        return 2
    return 1 if worst >= Severity.WARNING.rank and fail_on is FailOn.WARNING else 0


def print_report(report: Report, *, as_json: bool) -> None:
    """Print to standard output."""
    if as_json:
        print(json.dumps(_for_machines(report), indent=2, ensure_ascii=False))
        return
    console = Console(file=sys.stdout, highlight=False)
    console.print(Text(f"planar {VERSION}, {report.at:%Y-%m-%d %H:%M:%S} UTC\n{report.database}\n"))
    console.print(_table(report.answers))
    console.print(Text(f"\n{_sum(report.answers)}"))


def print_failure(code: str, message: str, *, as_json: bool) -> None:
    """Print why nothing could be examined: to standard error, and as JSON to standard output."""
    print(f"Error: {message}", file=sys.stderr)
    if as_json:
        print(json.dumps({"version": VERSION, "exit_code": 3, "error": {"code": code, "message": message}}, indent=2, ensure_ascii=False))


def _table(answers: Sequence[Answer]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for answer in answers:
        if not answer.findings:
            table.add_row(Text("ok", "green"), answer.title, Text(answer.fine))
        for finding in answer.findings:
            table.add_row(Text(finding.severity.value, _STYLES[finding.severity]), answer.title, _told(finding))
    return table


def _told(finding: Finding) -> Text:
    return Text.assemble(finding.summary, "\n→ ", finding.remedy, " ", (f"[{finding.code}]", "dim"))


def _sum(answers: Sequence[Answer]) -> str:
    found = [finding.severity for finding in _findings(answers)]
    counts = [(found.count(severity), severity) for severity in (Severity.ERROR, Severity.WARNING)]
    told = " and ".join(counted(count, severity.value) for count, severity in counts if count)
    return f"{told}." if told else "All is well."


def _findings(answers: Sequence[Answer]) -> list[Finding]:
    return [finding for answer in answers for finding in answer.findings]


def _for_machines(report: Report) -> dict[str, Any]:
    return {
        "version": VERSION,
        "database": report.database,
        "at": report.at.isoformat(),
        "exit_code": report.exit_code,
        "findings": [
            {
                "check": answer.title,
                "code": finding.code.value,
                "severity": finding.severity.value,
                "summary": finding.summary,
                "remedy": finding.remedy,
                "figures": dict(finding.figures),
            }
            for answer in report.answers
            for finding in answer.findings
        ],
        "fine": {answer.title: answer.fine for answer in report.answers if not answer.findings},
    }
