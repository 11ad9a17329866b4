"""Each test is run on a fresh SQLite file and on a fresh PostgreSQL database: an enum's type outlives its tables."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests import stores
from tests.integration.app_migrations.site import Site
from tests.postgres_server import database


@pytest.fixture(params=stores.kinds(stores.SQLITE, stores.POSTGRESQL))
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    """An empty database, and an empty folder for revisions."""
    if request.param == stores.SQLITE:
        yield Site(f"sqlite:///{tmp_path}/app.db", tmp_path / "migrations")
        return
    async with database() as url:
        yield Site(url, tmp_path / "migrations")
