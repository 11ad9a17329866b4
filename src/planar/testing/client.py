"""An app in the test's own event loop: started for a block, on a database of its own, asked without a network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

import httpx2
from sqlalchemy import URL

from planar.app import PlanarApp
from planar.app.lifespan import script_session
from planar.clock import Clock
from planar.db.manager import DatabaseManager
from planar.logging import get_logger
from planar.testing.clock import ManualClock
from planar.testing.observer import WorkflowObserver
from planar.testing.settling import AppEngine
from planar.testing.synchronizable_tracer import SynchronizableTracer
from planar.workflows.notifications import Notifications
from planar.workflows.tracing import Tracer

logger = get_logger(__name__)

BASE_URL = "http://testserver"
PRIVATE_DATABASE = ":memory:"
LINGER_SECONDS = 1.0
"""How long tasks that were begun in the block may take to end after it."""


class PlanarTestClient(httpx2.AsyncClient):
    """Asks *app* over HTTP in this event loop, through all of its middlewares, without a network and without starting it.

    `planar_test_client` makes one for an app that it starts.

    Args:
        app: the app.
        observer: hears what happens in it.
        base_url: what relative addresses are below.
        options: as for ``httpx2.AsyncClient``.
    """

    def __init__(self, app: PlanarApp, *, observer: WorkflowObserver | None = None, base_url: str = BASE_URL, **options: Any) -> None:
        super().__init__(transport=httpx2.ASGITransport(app), base_url=base_url, **options)
        self.app = app
        self._observer = observer

    @property
    def observer(self) -> WorkflowObserver:
        """Who hears what happens in the app.

        Raises:
            RuntimeError: the client was made by hand, and without one.
        """
        if self._observer is None:
            raise RuntimeError("This client has no observer: use `async with planar_test_client(app) as client`.")
        return self._observer


@asynccontextmanager
async def planar_test_client(
    app: PlanarApp,
    connection_string: str | URL | None = None,
    observer: WorkflowObserver | None = None,
    *,
    clock: ManualClock | None = None,
    tracer: Tracer | None = None,
) -> AsyncGenerator[PlanarTestClient]:
    """Start *app* for the block, and stop it at the end. The app is as it was before, and may be started again.

    In the block workflows are started and awaited, events emitted and `get_session` asked as in ``app.run_standalone``.

    Args:
        app: the app, which does not run yet.
        connection_string: its database meanwhile. By default a private temporary one, whatever the app's settings say, so that no
            test ever writes to a database that somebody works with; ``app.config.connection_url()`` is that one.
        observer: hears what happens to runs; ``client.observer`` is one anyway.
        clock: the time that the app's runs live by; by default the system's.
        tracer: hears of trace points; by default the app's own.

    Raises:
        RuntimeError: the app is running already.
    """
    if app.db_manager.is_connected:
        raise RuntimeError("This app is running already. One test client at a time: leave the block of the first one before.")
    observer = observer or WorkflowObserver()
    async with AsyncExitStack() as stack:
        stack.enter_context(_lent(app, connection_string or PRIVATE_DATABASE, clock, tracer))
        stack.callback(app.services.get(Notifications).listen(observer.on_workflow_notification))
        stack.push_async_callback(_let_end, asyncio.all_tasks())
        await stack.enter_async_context(app.fastapi.router.lifespan_context(app.fastapi))
        if isinstance(tracer, SynchronizableTracer):
            # What stands at a point would hold up the stop.
            stack.callback(tracer.release_all)
        if clock is not None:
            stack.enter_context(_attached(app, clock))
        await stack.enter_async_context(script_session(app.services, "planar_test_client"))
        yield await stack.enter_async_context(PlanarTestClient(app, observer=observer))


@contextmanager
def _lent(app: PlanarApp, database: str | URL, clock: ManualClock | None, tracer: Tracer | None) -> Generator[None]:
    """Give *app* parts of the test's, and its own ones back."""
    manager, time, earlier_tracer = app.db_manager, app.services.get(Clock), app.tracer
    settings = app.config
    app.db_manager = app.services.add(
        DatabaseManager,
        DatabaseManager(database, pool=settings.pool(), max_conflict_retries=settings.app.max_db_conflict_retries),
    )
    app.services.add(Clock, time if clock is None else clock)
    if tracer is not None:
        app.tracer = tracer
    try:
        yield
    finally:
        app.db_manager = app.services.add(DatabaseManager, manager)
        app.services.add(Clock, time)
        app.tracer = earlier_tracer


@contextmanager
def _attached(app: PlanarApp, clock: ManualClock) -> Generator[None]:
    engine = AppEngine(app)
    detach = clock.attach(engine)
    try:
        yield
    finally:
        detach()
        engine.close()


async def _let_end(before: set[asyncio.Task[Any]]) -> None:
    """Let tasks that were begun since *before* end: the next test must not meet them."""
    begun = asyncio.all_tasks() - before - {asyncio.current_task()}
    if begun:
        _, lingering = await asyncio.wait(begun, timeout=LINGER_SECONDS)
        if lingering:
            logger.warning("tasks outlive the test client", tasks=sorted(task.get_name() for task in lingering))
