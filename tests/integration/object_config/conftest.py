"""An app with a type of objects that users edit."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from planar import PlanarApp
from tests.databases import Databases
from tests.integration.http.conftest import OpenApi, open_api
from tests.integration.object_config.world import have_limits

__all__ = ["OpenApi", "open_api"]


@pytest.fixture
async def app(databases: Databases) -> AsyncIterator[PlanarApp]:
    """It runs; tests act in ``script_session``."""
    made = PlanarApp(config=(await databases.config()).model_copy(update={"storage": None}))
    have_limits(made)
    async with made._lifespan(made.fastapi):
        yield made
