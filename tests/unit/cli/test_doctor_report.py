"""How findings are told: for people within 80 columns, for machines as JSON, for scripts as an exit code."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from planar.cli.doctor_report import Report, exit_code, print_failure, print_report
from planar.cli.options import FailOn
from planar.engine.doctor.diagnosis import Answer
from planar.engine.doctor.findings import Code, Finding, Severity

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
FINE = Answer("tables", (), "as they should be")


def bad(severity: Severity) -> Answer:
    summary = "1 worker is lost, [still] holding 3 runs: " + "pid 12 on a-host-with-a-long-name, " * 3
    return Answer("workers", (Finding(Code.WORKER_LOST, severity, summary, "Start [a] worker.", {"runs": 3}),), "")


@pytest.mark.parametrize(
    ("severities", "fail_on", "code"),
    [
        ([], FailOn.ERROR, 0),
        ([], FailOn.WARNING, 0),
        (["info"], FailOn.WARNING, 0),
        (["warning"], FailOn.ERROR, 0),
        (["warning", "info"], FailOn.WARNING, 1),
        (["error", "warning"], FailOn.ERROR, 2),
        (["error"], FailOn.WARNING, 2),
    ],
)
def test_the_exit_code_says_how_bad_the_worst_is(severities: list[str], fail_on: FailOn, code: int) -> None:
    assert exit_code([FINE, *(bad(Severity(each)) for each in severities)], fail_on) == code


def test_people_get_a_table_that_fits_their_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    print_report(Report("sqlite:///app.db", AT, [FINE, bad(Severity.ERROR)], 2), as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    text = " ".join(" ".join(lines).split())
    assert "2026-01-02 03:04:05 UTC" in text
    assert "ok tables as they should be" in text
    assert "error workers 1 worker is lost, [still] holding 3 runs" in text
    assert "→ Start [a] worker. [worker_lost]" in text
    assert lines[-1] == "1 error."


def test_if_nothing_was_found_the_last_line_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(Report("sqlite:///app.db", AT, [FINE], 0), as_json=False)
    assert capsys.readouterr().out.splitlines()[-1] == "All is well."


def test_machines_get_everything_in_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    print_report(Report("sqlite:///app.db", AT, [FINE, bad(Severity.WARNING)], 1), as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert (told["exit_code"], told["at"], told["fine"]) == (1, "2026-01-02T03:04:05+00:00", {"tables": "as they should be"})
    (finding,) = told["findings"]
    assert (finding["check"], finding["code"], finding["severity"], finding["figures"]) == (
        "workers",
        "worker_lost",
        "warning",
        {"runs": 3},
    )


def test_a_failure_is_told_to_people_and_to_machines(capsys: pytest.CaptureFixture[str]) -> None:
    print_failure("database_unavailable", "It cannot be opened.", as_json=True)
    printed = capsys.readouterr()
    assert printed.err == "Error: It cannot be opened.\n"
    assert json.loads(printed.out)["error"] == {"code": "database_unavailable", "message": "It cannot be opened."}
