"""What the doctor makes of facts: each finding begins right above its limit, and a healthy database has none."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from planar._version import VERSION
from planar.db.migrate import MigrationStatus
from planar.engine.doctor.diagnosis import diagnose
from planar.engine.doctor.examination import PASSING, examine
from planar.engine.doctor.findings import Code, Severity, bytes_of, span
from planar.engine.doctor.limits import Limit, Limits
from planar.engine.store.facts import (
    ApplicationFacts,
    DueRuns,
    Facts,
    FileFacts,
    IdleSession,
    RunFacts,
    ServerFacts,
    SnapshotHolder,
    TableFacts,
    Trouble,
    TroubledRuns,
    WorkerFacts,
)

ONE, TWO = UUID(int=1), UUID(int=2)
LEASE = 5.0
ALIVE = WorkerFacts(ONE, "web-1", 11, VERSION, True, 100.0, 1.0, None, 2)
SILENT = replace(ALIVE, id=TWO, pid=12, seconds_silent=LEASE + 0.1, runs=0)
ON_SQLITE = replace(ALIVE, seconds_silent=None, holds_lock=True)
RUNS = RunFacts(unfinished=3, asleep=1)
SERVER = ServerFacts(0.001, 0.001, 10, 97, True, True)
FILE = FileFacts(1_000_000, 0, 0)


def facts(**other: Any) -> Facts:
    """A healthy database on PostgreSQL, but for what is given."""
    healthy = Facts(MigrationStatus("0004", "0004"), datetime(2026, 1, 1, tzinfo=UTC), LEASE, 26, (ALIVE,), RUNS, SERVER)
    return replace(healthy, **other)


def on_sqlite(**other: Any) -> Facts:
    return replace(facts(workers=(ON_SQLITE,), server=None, connections_per_worker=0), **{"file": FILE, **other})


def due(seconds: float, held: int = 1) -> RunFacts:
    return replace(RUNS, due=(DueRuns("orders", 4, seconds, held),))


def server(**other: Any) -> ServerFacts:
    return replace(SERVER, **other)


def holder(seconds: float | None, transactions: int = 1, kind: str = "session") -> ServerFacts:
    return server(holders=(SnapshotHolder(kind, "psql of ann", seconds, transactions, 77 if kind == "session" else None),))


def table(dead: int, live: int = 1) -> ServerFacts:
    return server(tables=(TableFacts("workflow_claim", live, dead, None),))


def found(given: Facts) -> list[tuple[Code, Severity]]:
    return [(finding.code, finding.severity) for finding in diagnose(given)]


FINE = {
    "PostgreSQL": facts(),
    "SQLite": on_sqlite(),
    "nothing to do, and nobody works": facts(workers=(), runs=RunFacts()),
    "a beat as old as a lease": facts(workers=(replace(ALIVE, seconds_silent=LEASE),)),
    "a beat that is older, of somebody who holds nothing": facts(workers=(ALIVE, replace(SILENT, seconds_silent=18 * LEASE))),
    "somebody written off whose runs were freed": facts(workers=(ALIVE, replace(SILENT, is_listed=False))),
    "somebody written off who has come back a moment ago": facts(workers=(ALIVE, replace(ALIVE, id=TWO, is_listed=False))),
    "due for as long as may be": facts(runs=due(30.0)),
    "due and nobody works, which is told once": facts(workers=(), runs=RunFacts()),
    "an application as its code says": facts(application=ApplicationFacts(frozenset({"orders"}))),
    "a snapshot of five minutes": facts(server=holder(300.0)),
    "a slot that is a little behind": facts(server=holder(None, 1_000_000, "replication slot")),
    "idle for a minute": facts(server=server(idle=(IdleSession("psql", 77, 60.0),))),
    "as many dead rows as may be": facts(server=table(100_000)),
    "many dead rows beside as many living ones": facts(server=table(200_000, 200_000)),
    "four fifths of the connections": facts(server=server(connections=80, usable_connections=100)),
    "pools for which there is just room": facts(server=server(usable_connections=26)),
    "clocks two seconds apart": facts(server=server(seconds_ahead=-2.0)),
    "a difference that may be the question's own time": facts(server=server(seconds_ahead=3.0, seconds_uncertain=1.0)),
    "a log of just the size": on_sqlite(file=FileFacts(1, 0, 256_000_000)),
    "a half-empty file": on_sqlite(file=FileFacts(600_000_000, 300_000_000, 0)),
}

WARNING, ERROR, INFO = Severity.WARNING, Severity.ERROR, Severity.INFO

WRONG = [
    (facts(migration=MigrationStatus(None, "0004"), workers=(), runs=None), Code.TABLES_MISSING, ERROR),
    (facts(migration=MigrationStatus("0003", "0004")), Code.MIGRATIONS_PENDING, WARNING),
    (facts(migration=MigrationStatus("0005", "0004")), Code.TABLES_NEWER, ERROR),
    (facts(application=ApplicationFacts(frozenset(), ("orders",))), Code.APPLICATION_TABLES_MISSING, WARNING),
    (
        facts(application=ApplicationFacts(frozenset(), ("orders",), missing_remedy="Run: planar db init")),
        Code.APPLICATION_TABLES_MISSING,
        ERROR,
    ),
    (facts(application=ApplicationFacts(frozenset(), (), ("It is.",))), Code.APPLICATION_TABLES_DIFFER, ERROR),
    (
        facts(application=ApplicationFacts(frozenset(), ("orders",), ("It is.",), (("1 is behind.", "planar db upgrade"),))),
        Code.APPLICATION_MIGRATIONS,
        ERROR,
    ),
    (facts(workers=()), Code.NO_WORKER, ERROR),
    (facts(workers=(ALIVE, replace(SILENT, seconds_silent=18 * LEASE + 0.1))), Code.WORKER_LOST, INFO),
    (facts(workers=(ALIVE, replace(SILENT, runs=1))), Code.WORKER_LOST, ERROR),
    (facts(workers=(ALIVE, replace(SILENT, runs=1, is_listed=False))), Code.WORKER_LOST, ERROR),
    (facts(workers=(ALIVE, replace(SILENT, seconds_silent=float("inf")))), Code.WORKER_LOST, INFO),
    (on_sqlite(workers=(ON_SQLITE, replace(ON_SQLITE, id=TWO, holds_lock=False))), Code.WORKER_LOST, ERROR),
    (facts(workers=(ALIVE, replace(ALIVE, id=TWO, version="0.0.9"))), Code.VERSION_SKEW, WARNING),
    (facts(workers=(ALIVE, replace(ALIVE, id=TWO, version=None))), Code.VERSION_SKEW, WARNING),
    (facts(workers=(replace(ALIVE, version="0.0.9"),)), Code.VERSION_SKEW, INFO),
    (facts(server=server(seconds_ahead=-2.01)), Code.CLOCK_SKEW, WARNING),
    (facts(server=server(seconds_ahead=2.01)), Code.CLOCK_SKEW, WARNING),
    (facts(workers=(replace(ALIVE, seconds_silent=-2.1),)), Code.CLOCK_WENT_BACK, WARNING),
    (on_sqlite(workers=(replace(ON_SQLITE, seconds_started=-2.1),)), Code.CLOCK_WENT_BACK, WARNING),
    (facts(runs=due(30.1)), Code.RUNS_OVERDUE, WARNING),
    (facts(runs=due(300.1)), Code.RUNS_OVERDUE, ERROR),
    (facts(runs=due(30.1, held=0)), Code.WORKFLOW_UNKNOWN, WARNING),
    (facts(runs=due(300.1, held=0)), Code.WORKFLOW_UNKNOWN, ERROR),
    (facts(runs=due(30.1), application=ApplicationFacts(frozenset({"bills"}))), Code.WORKFLOW_UNKNOWN, WARNING),
    (facts(runs=due(30.1, held=0), application=ApplicationFacts(frozenset({"orders"}))), Code.RUNS_OVERDUE, WARNING),
    (facts(server=holder(300.1)), Code.OLD_SNAPSHOT, WARNING),
    (facts(server=holder(3600.1)), Code.OLD_SNAPSHOT, ERROR),
    (facts(server=holder(300.1, kind="prepared transaction")), Code.OLD_SNAPSHOT, WARNING),
    (facts(server=holder(None, 1_000_001, "replication slot")), Code.OLD_SNAPSHOT, WARNING),
    (facts(server=holder(None, 1_000_001, "standby")), Code.OLD_SNAPSHOT, WARNING),
    (facts(server=server(idle=(IdleSession("psql", 77, 60.1),))), Code.IDLE_IN_TRANSACTION, WARNING),
    (facts(server=server(idle=(IdleSession("psql", 77, 3600.1),))), Code.IDLE_IN_TRANSACTION, ERROR),
    (facts(server=table(100_001)), Code.DEAD_ROWS, WARNING),
    (facts(server=table(1_000_001)), Code.DEAD_ROWS, ERROR),
    (facts(server=server(autovacuum=False)), Code.AUTOVACUUM_OFF, WARNING),
    (facts(server=server(connections=81, usable_connections=100)), Code.CONNECTIONS_SCARCE, WARNING),
    (facts(server=server(connections=96, usable_connections=100)), Code.CONNECTIONS_SCARCE, ERROR),
    (facts(server=server(usable_connections=25)), Code.POOLS_TOO_LARGE, WARNING),
    (on_sqlite(file=FileFacts(1, 0, 0, ("row 3 missing from index",)), runs=None, workers=()), Code.FILE_DAMAGED, ERROR),
    (on_sqlite(file=FileFacts(1, 0, 256_000_001)), Code.WAL_LARGE, WARNING),
    (on_sqlite(file=FileFacts(600_000_000, 300_000_001, 0)), Code.FREE_SPACE, INFO),
    (facts(runs=replace(RUNS, are_read_through=False)), Code.RUNS_NOT_READ, INFO),
    *(
        (facts(runs=replace(RUNS, troubles={trouble: TroubledRuns(2, (ONE, TWO))})), code, ERROR)
        for trouble, code in zip(
            Trouble,
            (
                Code.RUN_WITHOUT_CLAIM,
                Code.RUN_OF_UNKNOWN_WORKER,
                Code.RUN_WITHOUT_WAKEUP,
                Code.RUN_MISSED_WAKEUP,
                Code.CLAIM_WITHOUT_RUN,
            ),
            strict=True,
        )
    ),
]


@pytest.mark.parametrize("given", FINE.values(), ids=FINE.keys())
def test_what_is_within_its_limits_is_no_finding(given: Facts) -> None:
    assert found(given) == []


@pytest.mark.parametrize(
    ("given", "code", "severity"), WRONG, ids=[f"{code}-{severity}-{n}" for n, (_, code, severity) in enumerate(WRONG)]
)
def test_what_is_beyond_its_limit_is_that_finding_alone(given: Facts, code: Code, severity: Severity) -> None:
    (finding,) = diagnose(given)
    assert (finding.code, finding.severity) == (code, severity)
    assert finding.summary.endswith((".", "!"))
    assert finding.remedy


def test_every_code_has_a_case_here() -> None:
    assert {code for _, code, _ in WRONG} == set(Code)


def test_a_finding_names_whom_and_how_much() -> None:
    (lost,) = diagnose(facts(workers=(ALIVE, replace(SILENT, runs=3))))
    assert lost.summary == "1 worker is lost, still holding 3 runs: pid 12 on web-1 (3 runs, silent for 5.1 s)."
    assert lost.figures["runs"] == 3
    (old,) = diagnose(facts(server=holder(7200.0)))
    assert "psql of ann, pid 77" in old.summary
    assert "2 h" in old.summary
    assert "pg_terminate_backend(77)" in old.remedy
    (stuck,) = diagnose(facts(runs=replace(RUNS, troubles={Trouble.NO_WAKEUP: TroubledRuns(9, (ONE, TWO, ONE, TWO))})))
    assert str(TWO) in stuck.summary
    assert stuck.summary.endswith(", ….")


def test_versions_at_work_are_counted() -> None:
    (skew,) = diagnose(facts(workers=(ALIVE, replace(ALIVE, id=TWO, version=None))))
    assert skew.summary == f"At work: 1 worker of version {VERSION} and 1 worker of an earlier version."
    assert skew.figures["versions"] == {VERSION: 1, "unknown": 1}


def test_lost_workers_and_nobody_else_are_two_findings_with_another_remedy() -> None:
    nobody, lost = diagnose(facts(workers=(replace(SILENT, runs=3),)))
    assert (nobody.code, lost.code) == (Code.NO_WORKER, Code.WORKER_LOST)
    assert lost.remedy == "The next worker that starts takes over from them at once."


def test_the_oldest_of_several_snapshots_is_told_and_the_others_are_counted() -> None:
    holders = tuple(SnapshotHolder("session", f"report {n}", 400.0 + n, 1, n) for n in range(3))
    (old,) = diagnose(facts(server=server(holders=holders)))
    assert "report 2" in old.summary
    assert "and 2 more like it" in old.summary
    assert len(old.figures["holders"]) == 3


def test_limits_can_be_others() -> None:
    given = facts(server=holder(2.0))
    assert [finding.code for finding in diagnose(given, Limits(snapshot_seconds=Limit(1.0)))] == [Code.OLD_SNAPSHOT]


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.04, "0.0 s"), (9.94, "9.9 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (200_000, "2 days")]
)
def test_a_time_is_told_in_its_unit(seconds: float, told: str) -> None:
    assert span(seconds) == told


def test_a_size_is_told_in_its_unit() -> None:
    assert (bytes_of(2_400_000), bytes_of(2_400_000_000)) == ("2 MB", "2.4 GB")


async def answered(*looks: Facts) -> tuple[list[Code], int]:
    """What is told if the database looks like *looks*, one after the other; and how often it was looked at."""
    left = list(looks)

    async def look() -> Facts:
        return left.pop(0)

    answers = await examine(look, Limits(), pause_seconds=0)
    return [finding.code for answer in answers for finding in answer.findings], len(looks) - len(left)


@pytest.mark.anyio
async def test_what_mends_itself_is_not_told() -> None:
    lost = facts(workers=(ALIVE, replace(SILENT, runs=1)))
    assert await answered(lost, facts()) == ([], 2)
    assert await answered(lost, lost) == ([Code.WORKER_LOST], 2)
    stuck = facts(runs=replace(RUNS, troubles={Trouble.UNKNOWN_WORKER: TroubledRuns(1, (ONE,))}))
    assert await answered(lost, stuck) == ([], 2)


@pytest.mark.anyio
async def test_what_does_not_pass_is_told_at_the_first_look() -> None:
    assert await answered(facts(server=holder(400.0)), facts()) == ([Code.OLD_SNAPSHOT], 1)
    assert Code.OLD_SNAPSHOT not in PASSING
