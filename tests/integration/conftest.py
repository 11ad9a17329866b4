"""Each test that takes a database is run on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests import stores
from tests.databases import Databases, databases_of


@pytest.fixture(params=stores.kinds(stores.SQLITE, stores.POSTGRESQL))
async def databases(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Databases]:
    """This test's databases."""
    async with databases_of(request.param, tmp_path) as made:
        yield made
