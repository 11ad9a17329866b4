"""What do the facts mean? Every check, in the order in which they are told."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from planar.engine.doctor import file, runs, server, tables, workers
from planar.engine.doctor.findings import Finding
from planar.engine.doctor.limits import Limits
from planar.engine.store.facts import Facts


@dataclass(frozen=True, slots=True)
class Check:
    """One question about the facts."""

    title: str
    find: Callable[[Facts, Limits], Iterable[Finding]]
    describe: Callable[[Facts], str]
    """What is said if nothing was found."""
    applies: Callable[[Facts], bool] = lambda facts: facts.runs is not None


@dataclass(frozen=True, slots=True)
class Answer:
    """What a check found; *fine* says what there is to say if nothing was found."""

    title: str
    findings: tuple[Finding, ...]
    fine: str


def _always(facts: Facts) -> bool:
    return True


def _on_postgresql(facts: Facts) -> bool:
    return facts.server is not None


def _on_sqlite(facts: Facts) -> bool:
    return facts.file is not None


CHECKS = (
    Check("tables", lambda facts, _: tables.check_tables(facts), tables.describe_tables, _always),
    Check("app tables", lambda facts, _: tables.check_application_tables(facts), tables.describe_application_tables, _always),
    Check("workers", lambda facts, _: workers.check_workers(facts), workers.describe_workers),
    Check("versions", lambda facts, _: workers.check_versions(facts), workers.describe_versions),
    Check("clocks", workers.check_clocks, workers.describe_clocks),
    Check("runs", lambda facts, _: runs.check_reasons(facts), runs.describe_reasons),
    Check("due", runs.check_due, runs.describe_due),
    Check("snapshots", server.check_snapshots, server.describe_snapshots, _on_postgresql),
    Check("idle", server.check_idle, server.describe_idle, _on_postgresql),
    Check("dead rows", server.check_dead_rows, server.describe_dead_rows, _on_postgresql),
    Check("connections", server.check_connections, server.describe_connections, _on_postgresql),
    Check("file", file.check_file, file.describe_file, _on_sqlite),
)


def answer_all(facts: Facts, limits: Limits) -> list[Answer]:
    """What each check that applies to this database found."""
    return [Answer(check.title, tuple(check.find(facts, limits)), check.describe(facts)) for check in CHECKS if check.applies(facts)]


def diagnose(facts: Facts, limits: Limits | None = None) -> list[Finding]:
    """Everything that is not as it should be, in the order of the checks; nothing if all is well."""
    return [finding for answer in answer_all(facts, limits or Limits()) for finding in answer.findings]
