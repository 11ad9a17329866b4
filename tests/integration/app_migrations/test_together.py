"""Two processes upgrade at once; one is killed in the middle of a revision; one fails: what remains is whole revisions."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import MetaData

from planar.db.app_migrations import connecting, service
from planar.db.errors import DatabaseBusy, DatabaseUnavailable, NoSuchRevision, RevisionFailed
from tests.integration.app_migrations.site import Site
from tests.integration.app_migrations.test_life import CONCURRENTLY
from tests.integration.app_migrations.versions import schema

pytestmark = pytest.mark.anyio

UPGRADE = """
import asyncio, sys
from pathlib import Path
from sqlalchemy import make_url
from planar.db.app_migrations import service

project = service.Project(Path(sys.argv[2]), make_url(sys.argv[1]), [])
print("ready", flush=True)
sys.stdin.readline()
asyncio.run(service.upgrade(project, "head", lambda revision: print(revision.message, flush=True)))
"""

PAUSE = """
op.execute("INSERT INTO mark (id) VALUES (2)")
print("in the middle", flush=True)
__import__("sys").stdin.readline()
"""


def process(site: Site) -> subprocess.Popen[str]:
    """A process that waits for a line before it upgrades."""
    command = [sys.executable, "-c", UPGRADE, site.url, str(site.folder)]
    started = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert read(started) == "ready"
    return started


def read(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def finish(process: subprocess.Popen[str]) -> list[str]:
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return out.split()


async def test_two_processes_apply_each_revision_once(site: Site) -> None:
    await site.revise(schema(1), "first")
    messages = ["first"] + [f"step{number}" for number in range(6)]
    for number, message in enumerate(messages[1:]):
        site.add(message, up=f'op.add_column("customer", sa.Column("c{number}", sa.Integer()))')
    both = [process(site) for _ in range(2)]
    for each in both:
        go(each)
    done = [await asyncio.to_thread(finish, each) for each in both]
    assert sorted(done[0] + done[1]) == sorted(messages)
    assert await site.ask("SELECT version_num FROM planar_app_revision") == [(site.history().head(),)]


START = """
import asyncio, sys
from pathlib import Path
from planar.db.app_migrations.starting import StartPolicy
from planar.db.manager import DatabaseManager
from tests.integration.app_migrations.versions import schema

async def main():
    manager = DatabaseManager(sys.argv[1])
    await manager.connect()
    await manager.migrate(application=[schema(1)], policy=StartPolicy(Path(sys.argv[2]), True))
    await manager.disconnect()
    print("alembic" in sys.modules)

asyncio.run(main())
"""


async def test_a_start_on_a_database_that_fits_loads_no_alembic(site: Site) -> None:
    await site.start(schema(1), strict=False)  # the framework's tables
    await site.revise(schema(1), "first")
    await site.upgrade(schema(1), adopt=True)
    command = [sys.executable, "-c", START, site.url, str(site.folder)]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


async def test_a_kill_in_the_middle_of_a_revision_leaves_the_one_before(site: Site) -> None:
    site.add(
        "mark",
        up='op.create_table("mark", sa.Column("id", sa.Integer(), primary_key=True))\nop.execute("INSERT INTO mark (id) VALUES (1)")',
    )
    site.add("pause", up=f'op.add_column("mark", sa.Column("size", sa.Integer()))\n{PAUSE.strip()}')
    killed = process(site)
    go(killed)
    assert [await asyncio.to_thread(read, killed) for _ in range(2)] == ["mark", "in the middle"]
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert await site.ask("SELECT * FROM mark") == [(1,)]
    again = process(site)
    go(again)
    assert await asyncio.to_thread(read, again) == "in the middle"
    go(again)
    assert await asyncio.to_thread(finish, again) == ["pause"]
    assert await site.ask("SELECT id, size FROM mark ORDER BY id") == [(1, None), (2, None)]


async def test_a_revision_that_fails_leaves_the_ones_before_and_says_what_to_do(site: Site) -> None:
    await site.revise(schema(1), "first")
    broken = site.add("broken", up='op.create_table("half", sa.Column("id", sa.Integer()))\nop.execute("INSERT INTO nowhere VALUES (1)")')
    site.add("after")
    with pytest.raises(
        RevisionFailed, match=r"(?s)\(broken\) could not be applied: .*nowhere.*Nothing of it remains.*run again: planar db upgrade"
    ):
        await site.upgrade(schema(1))
    assert "half" not in str(await site.schema())
    assert await service.current(site.project()) == (next(iter(site.history().revisions)),)
    path = site.history().revisions[broken].path
    path.write_text(path.read_text().replace('op.execute("INSERT INTO nowhere VALUES (1)")', "pass"))
    assert await site.upgrade(schema(1)) == ["broken", "after"]


async def test_a_revision_that_would_leave_rows_referring_to_nothing_fails(site: Site) -> None:
    await site.revise(schema(5), "first")
    await site.upgrade(schema(5))
    await site.ask("INSERT INTO customer (id, title) VALUES (1, 'Ada') RETURNING id")
    await site.ask("INSERT INTO invoice (id, customer_id, total, state, due) VALUES (1, 1, '9.90', 'open', '2026-01-01') RETURNING id")
    site.add("cruel", up='op.execute("DELETE FROM customer")')
    with pytest.raises(RevisionFailed, match=r"(?i)refer|foreign key"):
        await site.upgrade(schema(5))
    assert await site.ask("SELECT id FROM customer") == [(1,)]


async def test_a_revision_may_leave_its_transaction(site: Site) -> None:
    site.add("table", up='op.create_table("invoice", sa.Column("due", sa.Date()))')
    site.add("index", up=CONCURRENTLY)
    assert await site.upgrade() == ["table", "index"]
    assert "ix_invoice_due" in str(await site.schema())


async def test_a_statement_waits_for_a_lock_for_a_limited_time(site: Site) -> None:
    if site.is_sqlite:
        return
    await site.revise(schema(1), "first")
    await site.upgrade(schema(1))
    site.add("column", up='op.add_column("invoice", sa.Column("extra", sa.Integer()))')
    project = site.project(schema(1))
    async with connecting.migration_engine(project.url) as engine, engine.connect() as reader:
        await reader.exec_driver_sql("SELECT * FROM invoice")
        quick = service.Project(project.folder, project.url, project.metadata, lock_seconds=0.05)
        with pytest.raises(RevisionFailed, match="lock timeout"):
            await service.upgrade(quick, "head", print)
    assert await site.upgrade(schema(1)) == ["column"]


async def test_whoever_waits_too_long_for_another_process_is_told(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    if site.is_sqlite:
        return
    site.add("nothing")
    monkeypatch.setattr(connecting, "PATIENCE_SECONDS", 0.0)
    async with connecting.migration_engine(site.project().url) as engine, connecting.alone(engine):
        with pytest.raises(DatabaseBusy, match="Try again later"):
            await site.upgrade()
    assert await site.upgrade() == ["nothing"]


@pytest.mark.parametrize("name", ["2", "9999", "", "Head", "20260101000100x"])
async def test_a_revision_that_is_not_there_is_named(site: Site, name: str) -> None:
    site.add("one")
    site.add("two")
    with pytest.raises(NoSuchRevision, match="planar db history"):
        await site.upgrade(to=name)


async def test_there_is_no_way_down_to_what_was_not_applied(site: Site) -> None:
    site.add("one")
    two = site.add("two")
    await site.upgrade(to=next(iter(site.history().revisions)))
    with pytest.raises(NoSuchRevision, match="is not applied"):
        await site.downgrade(two)
    assert await site.downgrade("base") == ["one"]
    assert await site.downgrade("base") == []


async def test_a_database_that_is_not_there_is_not_made_by_looking(tmp_path: Path) -> None:
    site = Site(f"sqlite:///{tmp_path}/none.db", tmp_path / "migrations")
    site.add("one")
    for look in (service.current(site.project()), service.check(site.project()), service.downgrade(site.project(), "base", print)):
        with pytest.raises(DatabaseUnavailable, match="planar db upgrade"):
            await look
    assert not site.file.exists()
    await site.upgrade()
    assert site.file.exists()


async def test_a_database_in_memory_has_no_revisions(tmp_path: Path) -> None:
    site = Site("sqlite://", tmp_path / "migrations")
    site.add("one")
    with pytest.raises(DatabaseUnavailable, match="in memory"):
        await site.upgrade()


@pytest.mark.store("postgresql")
async def test_a_server_that_cannot_be_reached_is_said_without_the_password(tmp_path: Path) -> None:
    site = Site("postgresql://somebody:secret@127.0.0.1:1/none", tmp_path / "migrations")
    site.add("one")
    with pytest.raises(DatabaseUnavailable) as caught:
        await site.upgrade(MetaData())
    assert "secret" not in str(caught.value)
