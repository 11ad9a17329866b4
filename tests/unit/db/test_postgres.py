"""How PostgreSQL is opened, as far as it can be seen without a server."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select
from sqlalchemy.dialects import postgresql

from planar.db.config import PoolConfig, database_url
from planar.db.explain import Explain
from planar.db.planar_session import RETRIES_OPTION, PlanarSession
from planar.db.postgres import engine_options, postgres_engine

pytestmark = pytest.mark.anyio


def test_the_isolation_level_does_not_depend_on_the_server() -> None:
    assert engine_options(PoolConfig())["isolation_level"] == "READ COMMITTED"


def test_the_pool_is_bounded_as_the_settings_say() -> None:
    options = engine_options(PoolConfig(size=3, max_overflow=4, timeout_seconds=5, recycle_seconds=6))
    assert (options["pool_size"], options["max_overflow"], options["pool_timeout"], options["pool_recycle"]) == (3, 4, 5, 6)


def test_a_transaction_does_not_idle_for_ever() -> None:
    server = engine_options(PoolConfig(idle_in_transaction_seconds=1.5))["connect_args"]["server_settings"]
    assert server["idle_in_transaction_session_timeout"] == "1500"


async def test_the_engine_speaks_asyncpg_and_carries_its_options() -> None:
    engine = postgres_engine(database_url("postgresql://ada:secret@db.example/planar"), PoolConfig(), {RETRIES_OPTION: 2})
    assert engine.dialect.driver == "asyncpg"
    session = PlanarSession(engine)
    assert session.max_conflict_retries == 2
    assert session.dialect.name == "postgresql"
    await engine.dispose()


def test_explain_keeps_the_parameters_of_the_statement() -> None:
    compiled = Explain(select(func.abs(7))).compile(dialect=postgresql.dialect())
    assert str(compiled).startswith("EXPLAIN (ANALYZE, BUFFERS) SELECT abs(")
    assert list(compiled.params.values()) == [7]
