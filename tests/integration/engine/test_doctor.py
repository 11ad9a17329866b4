"""What goes wrong with a real database, on SQLite and on PostgreSQL, and what the doctor says of it.

python -m tests.integration.engine.test_doctor <url>: a process that gets stuck in a step, says so, and can be killed.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import make_url, text

from planar import PlanarApp
from planar._version import VERSION
from planar.cli.doctor import run_doctor
from planar.cli.options import DoctorOptions, FailOn
from planar.config import connection_string_config
from planar.db.manager import DatabaseManager
from planar.db.migrations import HEAD
from planar.engine.doctor.diagnosis import diagnose
from planar.engine.doctor.findings import Code, Finding
from planar.engine.doctor.limits import Limit, Limits
from planar.engine.store import questions
from planar.engine.store.facts import Facts
from planar.engine.store.inspecting import read_facts
from planar.engine.store.liveness import LockFiles, lock_folder
from planar.engine.store.postgres import facts as postgres_facts
from planar.workflows import WorkflowStatus, step, suspend, workflow
from tests.docs.pages import blocks_of
from tests.integration.engine.conftest import until, until_status
from tests.postgres_server import connect, migrated_database

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[3]
LEASE = 1.0
STUCK = False


@step()
async def finish() -> str:
    while STUCK:
        print("stuck", flush=True)
        await asyncio.sleep(3600)
    return "done"


@workflow()
async def simple() -> str:
    return await finish()


@workflow()
async def sleeping() -> None:
    await suspend(interval=timedelta(days=1))


@dataclass(frozen=True)
class Database:
    """One database, and a connection to it from outside."""

    url: str
    manager: DatabaseManager

    @property
    def is_sqlite(self) -> bool:
        return self.manager.sqlite_path is not None

    async def write(self, statement: str) -> None:
        """Execute *statement*, which is written for PostgreSQL."""
        async with self.manager.get_engine().begin() as connection:
            await connection.execute(text(self.translated(statement)).execution_options(no_parameters=True))

    def translated(self, statement: str) -> str:
        if not self.is_sqlite:
            return statement
        return statement.replace("planar.", "").replace("now()", r"strftime('%Y-%m-%d %H\:%M\:%f000', 'now')")

    def named(self, run_id: UUID) -> str:
        return run_id.hex if self.is_sqlite else str(run_id)

    async def facts(self) -> Facts:
        return await read_facts(self.manager, LEASE)

    async def findings(self, limits: Limits | None = None) -> list[Finding]:
        return diagnose(await self.facts(), limits)

    async def codes(self) -> set[Code]:
        return {finding.code for finding in await self.findings()}


@pytest.fixture
async def on_postgres() -> AsyncIterator[Database]:
    async with migrated_database() as url, connected(url) as database:
        yield database


@pytest.fixture
async def on_sqlite(tmp_path: Path) -> AsyncIterator[Database]:
    async with connected(f"sqlite:///{tmp_path}/app.db") as database:
        yield database


@pytest.fixture(params=["sqlite", "postgres"])
async def database(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Database]:
    if request.param == "sqlite":
        async with connected(f"sqlite:///{tmp_path}/app.db") as database:
            yield database
    else:
        async with migrated_database() as url, connected(url) as database:
            yield database


@asynccontextmanager
async def connected(url: str) -> AsyncGenerator[Database]:
    manager = DatabaseManager(url)
    await manager.connect()
    await manager.migrate(application=[])
    try:
        yield Database(url, manager)
    finally:
        await manager.disconnect()


@asynccontextmanager
async def opened(url: str) -> AsyncGenerator[PlanarApp]:
    config = connection_string_config(url)
    app = PlanarApp(config=config.model_copy(update={"workflows": config.workflows.model_copy(update={"lease_seconds": LEASE})}))
    for each in (simple, sleeping):
        app.register_workflow(each)
    async with app._lifespan(app.fastapi):
        yield app


async def test_a_healthy_database_gives_no_finding(database: Database) -> None:
    async with opened(database.url):
        assert await simple() == "done"
        run = await sleeping.start()
        await until_status(run.id, "suspended")
        facts = await database.facts()
        assert diagnose(facts) == []
        (worker,) = facts.workers
        assert worker.version == VERSION
        assert facts.runs is not None
        assert (facts.runs.unfinished, facts.runs.asleep) == (1, 1)
    assert [finding.code for finding in await database.findings()] == [Code.NO_WORKER]


async def test_a_killed_worker_is_lost_with_its_runs_until_somebody_takes_over(database: Database) -> None:
    process = await asyncio.to_thread(start_stuck, database.url)
    try:
        assert Code.WORKER_LOST not in await database.codes()
        process.kill()
        await asyncio.to_thread(process.wait)
        await until(lambda: finds(database, Code.WORKER_LOST))
        nobody, lost = await database.findings()
        assert (nobody.code, lost.code, lost.figures["runs"]) == (Code.NO_WORKER, Code.WORKER_LOST, 1)
        assert f"pid {process.pid}" in lost.summary
        async with opened(database.url):
            await until(lambda: is_healthy(database))
    finally:
        end(process)


def start_stuck(url: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.integration.engine.test_doctor", url]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "stuck\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.communicate()


async def finds(database: Database, code: Code) -> bool:
    return code in await database.codes()


async def is_healthy(database: Database) -> bool:
    return not await database.findings()


REPAIRS = [block.text for block in blocks_of(ROOT / "docs" / "how-to" / "ask-the-doctor.md") if block.kind == "compared"]
LET_GO_ON, WAKE, REMOVE = REPAIRS


async def test_runs_that_nothing_will_wake_are_found_and_the_guide_helps_them_on(database: Database) -> None:
    """Each promise of a next wake-up is broken by hand, once."""
    lost, orphaned, forgotten, missed, ended = (uuid4() for _ in range(5))
    for run_id in (lost, orphaned, forgotten, missed, ended):
        await make_run(database, run_id, "succeeded" if run_id is ended else "pending")
    for run_id, worker in ((orphaned, f"'{database.named(uuid4())}'"), (forgotten, "null"), (missed, "null"), (ended, "null")):
        await database.write(
            "insert into planar.workflow_claim (run_id, function_name, epoch, reason, worker_id) "
            f"values ('{database.named(run_id)}', '{simple.name}', 1, 'child', {worker})"
        )
    await database.write(f"insert into planar.workflow_wait (key, run_id) values ('run\\:{ended.hex}', '{database.named(missed)}')")

    found = {finding.code: finding.figures["some"] for finding in await database.findings() if "some" in finding.figures}
    assert found == {
        Code.RUN_WITHOUT_CLAIM: [str(lost)],
        Code.RUN_OF_UNKNOWN_WORKER: [str(orphaned)],
        Code.RUN_WITHOUT_WAKEUP: [str(forgotten)],
        Code.RUN_MISSED_WAKEUP: [str(missed)],
        Code.CLAIM_WITHOUT_RUN: [str(ended)],
    }

    for repair, run_id in ((LET_GO_ON, lost), (WAKE, forgotten), (WAKE, missed), (REMOVE, ended)):
        await database.write(repair.replace("<run>", database.named(run_id)).strip().rstrip(";"))
    async with opened(database.url):
        for run_id in (lost, orphaned, forgotten, missed):
            assert (await until_status(run_id, "succeeded", "failed")).status is WorkflowStatus.SUCCEEDED
        await until(lambda: is_healthy(database))


async def make_run(database: Database, run_id: UUID, status: str) -> None:
    await database.write(
        "insert into planar.workflow_run (id, function_name, status, args, kwargs, created_at, updated_at) "
        f"values ('{database.named(run_id)}', '{simple.name}', '{status}', '[]', '{{}}', now(), now())"
    )


async def test_runs_of_a_workflow_that_nobody_knows_are_told_apart(database: Database) -> None:
    run_id = uuid4()
    await make_run(database, run_id, "pending")
    await database.write("update planar.workflow_run set function_name = 'gone'")
    async with opened(database.url):
        await database.write(
            "insert into planar.workflow_claim (run_id, function_name, epoch, reason, due_at) "
            f"values ('{database.named(run_id)}', 'gone', 0, 'ready', now())"
        )
        (unknown,) = await database.findings(Limits(overdue_seconds=Limit(-1)))
        assert (unknown.code, unknown.figures["workflow"], unknown.figures["runs"]) == (Code.WORKFLOW_UNKNOWN, "gone", 1)
        assert await database.findings() == []


async def test_a_worker_of_an_earlier_version_registers_as_before_and_is_told_apart(database: Database) -> None:
    path, old = database.manager.sqlite_path, uuid4()
    async with opened(database.url):
        # On SQLite a worker lives as long as somebody holds its file.
        with holding(LockFiles(lock_folder(path)), old) if path is not None else nullcontext():
            await database.write(
                "insert into planar.workflow_worker (id, host, boot_id, pid, alive, started_at, beat_at) "
                f"values ('{database.named(old)}', 'old', '', 1, true, now(), now())"
            )
            facts = await database.facts()
        assert {worker.host == "old": worker.version for worker in facts.workers} == {True: None, False: VERSION}
        (skew,) = diagnose(facts)
        assert skew.figures["versions"] == {"unknown": 1, VERSION: 1}


@contextmanager
def holding(files: LockFiles, worker_id: UUID) -> Generator[None]:
    files.hold(worker_id)
    try:
        yield
    finally:
        files.release(worker_id)


# -- PostgreSQL -----------------------------------------------------------------------------------------------------------------


async def test_an_old_snapshot_is_found_with_the_dead_rows_that_it_keeps(on_postgres: Database) -> None:
    reader, writer = await connect(on_postgres.url), await connect(on_postgres.url)
    try:
        await reader.execute("set application_name = 'a report'")
        await reader.execute("begin isolation level repeatable read")
        await reader.execute("select count(*) from planar.workflow_claim")
        await writer.execute(
            "insert into planar.workflow_claim (run_id, function_name, epoch, reason) "
            "select gen_random_uuid(), 'x', 0, 'ready' from generate_series(1, 500)"
        )
        await writer.execute("delete from planar.workflow_claim")
        await writer.close()  # which tells the server's statistics what it did
        strict = Limits(snapshot_seconds=Limit(0), idle_seconds=Limit(0), dead_rows=Limit(499))

        async def all_found() -> bool:
            return len(await on_postgres.findings(strict)) == 3

        await until(all_found)
        snapshot, idle, dead = await on_postgres.findings(strict)
        assert [snapshot.code, idle.code, dead.code] == [Code.OLD_SNAPSHOT, Code.IDLE_IN_TRANSACTION, Code.DEAD_ROWS]
        pid = reader.get_server_pid()
        assert f"a report of tester, pid {pid}" in snapshot.summary
        assert f"pg_terminate_backend({pid})" in snapshot.remedy
        assert f"a report of tester, pid {pid}" in idle.summary
        assert dead.figures["dead_rows"] >= 500
        await reader.execute("rollback")
        assert Code.OLD_SNAPSHOT not in {finding.code for finding in await on_postgres.findings(strict)}
    finally:
        await reader.close()
        await writer.close()


async def test_too_many_runs_to_read_through_leave_the_rest_of_the_answer(on_postgres: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(questions, "_NO_CLAIM", "select 1, null from pg_sleep(60) limit {some}")
    monkeypatch.setattr(postgres_facts, "PATIENCE", "1s")
    async with opened(on_postgres.url):
        (finding,) = await on_postgres.findings()
        assert finding.code is Code.RUNS_NOT_READ
        assert (await on_postgres.facts()).server is not None


async def test_connections_in_use_are_counted(on_postgres: Database) -> None:
    before = (await on_postgres.facts()).server
    others = [await connect(on_postgres.url) for _ in range(3)]
    try:
        after = (await on_postgres.facts()).server
    finally:
        for other in others:
            await other.close()
    assert before is not None
    assert after is not None
    # Other tests' connections come and go.
    assert after.connections >= 4
    assert after.usable_connections == before.usable_connections > 0
    assert after.autovacuum
    assert after.sees_others
    assert abs(after.seconds_ahead) < 1


async def test_pools_that_together_need_more_than_the_server_has_are_told(on_postgres: Database) -> None:
    async with opened(on_postgres.url):
        facts = await on_postgres.facts()
        # 10 and 10 more for sessions; 4 that read, the lane, and the one that hears.
        assert facts.connections_per_worker == 26


# -- SQLite ---------------------------------------------------------------------------------------------------------------------


async def test_a_log_that_a_reader_keeps_from_shrinking_is_told(on_sqlite: Database) -> None:
    await on_sqlite.write("create table filler (text)")
    assert on_sqlite.manager.sqlite_path is not None
    reader = sqlite3.connect(on_sqlite.manager.sqlite_path, isolation_level=None)
    try:
        reader.execute("begin")
        reader.execute("select * from filler").fetchall()
        await on_sqlite.write("insert into filler select zeroblob(2000000)")
        (large,) = await on_sqlite.findings(Limits(wal_bytes=Limit(1_000_000)))
        assert large.code is Code.WAL_LARGE
        assert large.figures["wal_bytes"] > 2_000_000
    finally:
        reader.close()


async def test_a_damaged_file_is_told(on_sqlite: Database) -> None:
    path = on_sqlite.manager.sqlite_path
    assert path is not None
    await on_sqlite.write(FILL)
    await on_sqlite.manager.disconnect()
    with path.open("r+b") as file:
        file.seek(-4096, 2)
        file.write(b"\xff" * 4096)
    await on_sqlite.manager.connect()
    facts = await on_sqlite.facts()
    assert facts.runs is None
    (damaged,) = diagnose(facts)
    assert damaged.code is Code.FILE_DAMAGED


FILL = (
    "create table filler as with recursive n(i) as (select 1 union all select i + 1 from n where i < 100) select zeroblob(400) as t from n"
)


# -- the command ----------------------------------------------------------------------------------------------------------------


def doctor(monkeypatch: pytest.MonkeyPatch, folder: Path, url: str) -> Callable[..., int]:
    """Runs `planar doctor` on *url*; the answer is its exit code."""
    settings = folder / "planar.yaml"
    settings.write_text(json.dumps({"db_connections": {"app": url}, "app": {"db_connection": "app"}}))
    for name in ("PLANAR_CONFIG", "PLANAR_ENV", "PLANAR_ENTRY_POINT"):
        monkeypatch.setenv(name, "dev" if name == "PLANAR_ENV" else "")
    monkeypatch.setattr("planar.cli.doctor.PAUSE_SECONDS", 0)

    def run(fail_on: FailOn = FailOn.ERROR, *, as_json: bool = False) -> int:
        return run_doctor(DoctorOptions("dev", None, settings, as_json, fail_on, False, "app"))

    return run


async def test_the_exit_code_says_how_it_is(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = doctor(monkeypatch, tmp_path, database.url)
    assert await asyncio.to_thread(run) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "All is well."
    version_table = "planar_alembic_version" if database.is_sqlite else "planar.alembic_version"
    await database.write(f"update {version_table} set version_num = '0004'")
    assert await asyncio.to_thread(run) == 0
    assert await asyncio.to_thread(run, FailOn.WARNING) == 1
    await make_run(database, uuid4(), "pending")
    capsys.readouterr()
    assert await asyncio.to_thread(run, as_json=True) == 2
    told = json.loads(capsys.readouterr().out)
    assert [finding["code"] for finding in told["findings"]] == ["migrations_pending", "run_without_claim"]
    await database.write(f"update {version_table} set version_num = '{HEAD}'")


UNREACHABLE = [
    ("postgresql://nobody@localhost:1/nothing", "cannot be opened"),
    ("sqlite:////{folder}/absent.db", "There is no file"),
    ("sqlite://", "is in memory"),
]


@pytest.mark.parametrize(("url", "message"), UNREACHABLE)
def test_what_cannot_be_reached_ends_with_three_and_is_not_made(
    url: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = doctor(monkeypatch, tmp_path, url.replace("{folder}", str(tmp_path)))
    assert run(as_json=True) == 3
    printed = capsys.readouterr()
    assert message in printed.err
    assert message in json.loads(printed.out)["error"]["message"]
    assert not (tmp_path / "absent.db").exists()


async def test_a_database_that_does_not_exist_on_the_server_ends_with_three(
    on_postgres: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    absent = make_url(on_postgres.url).set(database="absent").render_as_string(hide_password=False)
    assert await asyncio.to_thread(doctor(monkeypatch, tmp_path, absent)) == 3
    assert '"absent" does not exist' in capsys.readouterr().err


APP = """
from planar import PlanarApp, sqlite_config
from planar.modeling.orm import PlanarBaseEntity

print("the app is imported")

class Order(PlanarBaseEntity, table=True):
    name: str

app = PlanarApp(config=sqlite_config("app.db"))
"""


def test_a_loaded_app_tells_which_of_its_tables_are_missing(tmp_path: Path) -> None:
    asyncio.run(migrate(f"sqlite:///{tmp_path}/app.db"))
    (tmp_path / "main.py").write_text(APP)
    command: Sequence[str] = [sys.executable, "-m", "planar.cli", "doctor", "--load-app", "--json", "--fail-on", "warning"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    told: dict[str, Any] = json.loads(done.stdout)
    assert [(finding["code"], finding["figures"]) for finding in told["findings"]] == [
        ("application_tables_missing", {"tables": ["order"]})
    ]
    assert done.returncode == 1
    assert "the app is imported" in done.stderr


def test_a_loaded_app_tells_which_of_its_revisions_are_missing(tmp_path: Path) -> None:
    asyncio.run(migrate(f"sqlite:///{tmp_path}/app.db"))
    (tmp_path / "main.py").write_text(APP)
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "1_order.py").write_text('"""orders"""\nrevision = "1"\ndown_revision = None\n')
    command: Sequence[str] = [sys.executable, "-m", "planar.cli", "doctor", "--load-app", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    told: dict[str, Any] = json.loads(done.stdout)
    assert [(finding["code"], finding["figures"]) for finding in told["findings"]] == [
        ("application_migrations", {"command": "planar db upgrade --env dev"})
    ]
    assert done.returncode == 2


async def migrate(url: str) -> None:
    async with connected(url):
        pass


async def _be_stuck(url: str) -> None:
    global STUCK
    STUCK = True
    async with opened(url):
        await simple.start()
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_be_stuck(sys.argv[1]))
