"""Fixtures for pytest, which loads this module wherever Planar is installed: so it loads nothing of Planar until a test asks.

All of them are plain functions, so they work with every plugin that runs ``async`` tests.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol

import pytest

from planar import testing

if TYPE_CHECKING:
    from sqlalchemy import URL

    from planar.app import PlanarApp
    from planar.testing.client import PlanarTestClient
    from planar.testing.clock import ManualClock
    from planar.testing.observer import WorkflowObserver
    from planar.workflows.tracing import Tracer


class ClientOpener(Protocol):
    """What the fixture `planar_client` is."""

    def __call__(
        self, app: PlanarApp, connection_string: str | URL | None = None, *, tracer: Tracer | None = None
    ) -> AbstractAsyncContextManager[PlanarTestClient]:
        """As `planar.testing.planar_test_client`, with the fixtures' clock and observer."""
        ...


@pytest.fixture
def planar_clock() -> ManualClock:
    """The time of this test's apps, which stands still until the test moves it."""
    return testing.ManualClock()


@pytest.fixture
def planar_observer() -> WorkflowObserver:
    """Hears what happens in this test's apps."""
    return testing.WorkflowObserver()


@pytest.fixture
def planar_client(planar_clock: ManualClock, planar_observer: WorkflowObserver) -> ClientOpener:
    """``async with planar_client(app) as client:`` starts an app that lives by ``planar_clock`` and is heard by ``planar_observer``."""

    def opened(
        app: PlanarApp, connection_string: str | URL | None = None, *, tracer: Tracer | None = None
    ) -> AbstractAsyncContextManager[PlanarTestClient]:
        return testing.planar_test_client(app, connection_string, planar_observer, clock=planar_clock, tracer=tracer)

    return opened
