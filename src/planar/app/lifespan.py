"""The start order and the stop order, as one list: what was started last is stopped first, also when a start fails."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncEngine

from planar.app.assembly import Running, assemble
from planar.app.file_parts import open_storage
from planar.app.human_parts import tell_of_closed_tasks
from planar.app.rule_parts import open_scripts
from planar.config import Environment, PlanarConfig
from planar.config.environment import entry_option, migrations_beside_app
from planar.context import Services, bind_services
from planar.db.app_migrations.starting import StartPolicy
from planar.db.manager import DatabaseManager
from planar.db.session import SessionScope, bind_session
from planar.engine.events import Notices
from planar.logging import get_logger
from planar.workflows.holding import locks_of

logger = get_logger(__name__)

OnStartup = Callable[[AsyncEngine], Awaitable[None]]


@asynccontextmanager
async def running(services: Services, notices: Notices, on_startup: OnStartup | None) -> AsyncGenerator[Running]:
    """Everything that an app needs while it lives, in order."""
    manager = services.get(DatabaseManager)
    async with AsyncExitStack() as stack:
        await manager.connect()
        stack.push_async_callback(manager.disconnect)
        config = services.get(PlanarConfig)
        await manager.migrate(bool(config.use_alembic), policy=start_policy(config))
        parts = assemble(services, notices)
        await parts.store.open()
        stack.push_async_callback(parts.store.close)
        stack.callback(parts.client.close)
        stack.push_async_callback(locks_of(services).close)
        stack.push_async_callback(open_storage(services))
        stack.push_async_callback(open_scripts(services))
        stack.enter_context(bind_services(services))
        if parts.worker is not None:
            await parts.worker.start()
            stack.push_async_callback(parts.worker.stop)
        stack.push_async_callback(await tell_of_closed_tasks(services))
        if on_startup is not None:
            async with script_session(services, "on_startup"):
                starting = on_startup(manager.get_engine())
                if not inspect.isawaitable(starting):
                    raise TypeError(f"on_startup is an `async def` that takes the database engine, not {on_startup!r}")
                await starting
        logger.info("app started", worker=parts.worker.id if parts.worker is not None else None)
        yield parts
        logger.info("app stops")


def start_policy(config: PlanarConfig) -> StartPolicy:
    """What a start with the settings *config* does about the application's tables."""
    folder = config.app.migrations or migrations_beside_app()
    is_strict = config.environment is Environment.PROD
    return StartPolicy(folder, is_strict, config.app.allow_newer_database, " --env prod" if is_strict else "", entry_option())


@asynccontextmanager
async def script_session(services: Services, label: str) -> AsyncGenerator[None]:
    """A session for code that is neither a request nor a step; what it does not commit is undone."""
    scope = SessionScope(services.get(DatabaseManager), label=label)
    try:
        with bind_session(scope):
            yield
    finally:
        await scope.close()
