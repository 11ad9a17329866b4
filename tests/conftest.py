"""What every test may use. Nothing here that a user of Planar could not have in a test suite of their own."""

from __future__ import annotations

import pytest
from hypothesis import settings

settings.register_profile("house", derandomize=True, deadline=None)
settings.load_profile("house")


@pytest.fixture
def anyio_backend() -> str:
    """Planar runs on asyncio only."""
    return "asyncio"
