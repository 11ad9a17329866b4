"""Which PostgreSQL is measured? A server of the benchmark's own, which waits for the disk, and an empty database for each party."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

sys.path.append(str(Path(__file__).parent.parent))

from tests.postgres_server import DURABLE_VARIABLE, connect, database

DURABLE = ("fsync", "synchronous_commit", "full_page_writes")


class Address(NamedTuple):
    """Where a database is."""

    url: str
    connection: Any
    """A connection of the driver's own, to look from outside."""


@asynccontextmanager
async def durable_database() -> AsyncIterator[Address]:
    """An empty database.

    Raises:
        RuntimeError: the server does not wait for the disk, and what were measured would not be durable.
    """
    os.environ.setdefault(DURABLE_VARIABLE, "1")
    async with database() as url:
        connection = await connect(url)
        try:
            for name in DURABLE:
                if (value := await connection.fetchval(f"show {name}")) != "on":
                    raise RuntimeError(f"The server has {name} = {value}: what is measured on it is not durable. Set it to on.")
            yield Address(url, connection)
        finally:
            await connection.close()
