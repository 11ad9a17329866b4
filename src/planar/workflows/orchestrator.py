"""Who executes runs? In an app its worker does; an orchestrator shows that one, or brings one of its own where there is no app."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any, Self
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from planar.context import ServiceNotFound, Services, bind_services, current_actor, find_services
from planar.db.manager import DatabaseManager
from planar.db.session import current_scope
from planar.engine.catalog import Registry
from planar.engine.client import Client, outcome_of
from planar.engine.config import WorkerConfig
from planar.engine.current import find_frame
from planar.engine.events import Notices
from planar.engine.store.opening import open_store
from planar.engine.worker import Worker
from planar.security.auth_context import dump_principal, load_principal
from planar.workflows.execution import result_loader
from planar.workflows.holding import locks_of
from planar.workflows.notifications import Notifications, WorkflowNotificationCallback
from planar.workflows.wrappers import WorkflowWrapper

__all__ = ["WorkflowOrchestrator", "orchestrator_context"]

Token = AbstractContextManager[object]


class WorkflowOrchestrator:
    """Executes the runs in the database of *engine*, whose tables exist.

    Made in an app with the app's own engine, it is another view of the app's worker. Anywhere else it has parts of its own: it
    serves every workflow of this process whose name no other one has, and workflows are started and events emitted in its
    `orchestrator_context`, or in `ensure_started`.

    Args:
        engine: the engine of a `DatabaseManager`, or any other of the same database.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        app = _services_of(engine)
        self._is_of_app = app is not None
        self.services = app if app is not None else _new_services(self)
        self._opening = asyncio.Lock()
        self._users = 0
        self._is_serving = False
        self._parts = AsyncExitStack()

    def register_workflow(self, wrapper: WorkflowWrapper[..., Any]) -> Self:
        """Serve *wrapper* under its name. Needed only where several workflows of this process share that name.

        Raises:
            WorkflowNameTaken: another workflow is served under it.
        """
        self.services.get(Registry).register(wrapper.definition)
        return self

    # -- which one ----------------------------------------------------------------------------------------------------

    @staticmethod
    def get() -> WorkflowOrchestrator:
        """The orchestrator of this task: of the app that it belongs to, or of the context that it is in.

        Raises:
            ServiceNotFound: there is none.
        """
        found = _find()
        if found is None:
            raise ServiceNotFound("No orchestrator was found. Call this in an app, or in `async with orchestrator_context(...):`.")
        return found

    @staticmethod
    def is_set() -> bool:
        """Whether this task has an orchestrator."""
        return _find() is not None

    @staticmethod
    def set(orchestrator: WorkflowOrchestrator) -> Token:
        """Make *orchestrator* the one of this task, and of tasks that it starts. Returns what `reset` needs.

        Workflows can be started while it runs; `orchestrator_context` makes that sure.
        """
        binding = bind_services(orchestrator.services)
        binding.__enter__()
        return binding

    @staticmethod
    def reset(token: Token) -> None:
        """Undo the `set` that returned *token*."""
        token.__exit__(None, None, None)

    # -- executing ----------------------------------------------------------------------------------------------------

    @staticmethod
    @asynccontextmanager
    async def ensure_started(**run_options: Any) -> AsyncGenerator[WorkflowOrchestrator]:
        """The orchestrator of this task, which executes runs while the block lasts; a new one for the current session's engine, if need be.

        Args:
            run_options: as for `run`; one that runs already keeps its own.

        Raises:
            LookupError: there is no orchestrator, and no session or app that has an engine for a new one.
        """
        orchestrator = _find() or WorkflowOrchestrator(_current_engine())
        if orchestrator.is_running:
            yield orchestrator
            return
        async with orchestrator._serving(**run_options):
            with bind_services(orchestrator.services):
                yield orchestrator

    async def run(
        self,
        *,
        poll_interval: float = 300,
        max_concurrent_workflows: int = 100,
        lock_duration: timedelta = timedelta(minutes=10),
        notification_callback: WorkflowNotificationCallback | None = None,
    ) -> None:
        """Execute runs until this is cancelled.

        Args:
            poll_interval: seconds between looks for due runs of which no news came; news comes at once.
            max_concurrent_workflows: how many runs to advance at once.
            lock_duration: how long after the last sign of life of this worker its runs are taken over; at least a second.
            notification_callback: called with everything that happens to runs and steps here.

        Raises:
            RuntimeError: it runs already, or the app's worker does.
            ValueError: a number is out of its range.
        """
        options: dict[str, Any] = {"poll_interval": poll_interval, "max_concurrent_workflows": max_concurrent_workflows}
        async with self._serving(**options, lock_duration=lock_duration, notification_callback=notification_callback):
            await asyncio.get_running_loop().create_future()

    @property
    def is_running(self) -> bool:
        """Whether it executes runs now."""
        worker = self.services.find(Worker)
        return worker is not None and worker.is_alive()

    def poll_soon(self, time: float | None = None) -> None:
        """Nothing is left to do here: a worker hears at once of what is due, in this process and in others.

        Args:
            time: not needed; taken so that existing calls run.
        """

    async def wait_for_completion(self, workflow_id: UUID) -> Any:
        """What the run *workflow_id* returns, once it has ended.

        Raises:
            RunNotFound: there is no such run.
            RunCancelled: it was cancelled.
            RuntimeError: called in a workflow's own code, where `wait_for_completion` of the workflow is durable.
            Exception: what the run raised.
        """
        frame = find_frame()
        if frame is not None and frame.step_id is None:
            raise RuntimeError("In a workflow use `await <workflow>.wait_for_completion(run_id)`, which is recorded.")
        client = self.services.get(Client)
        run = await client.ended(workflow_id)
        return outcome_of(run, result_loader(client.registry, run.workflow))

    # -- its parts ----------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[None]:
        """What starting, waiting and announcing need, for the block; several blocks at once share it."""
        if self._is_of_app:
            yield
            return
        async with self._opening:
            if self._users == 0:
                await self._open()
            self._users += 1
        try:
            yield
        finally:
            async with self._opening:
                self._users -= 1
                if self._users == 0:
                    await self._parts.aclose()

    async def _open(self) -> None:
        services = self.services
        async with AsyncExitStack() as stack:
            manager = services.add(DatabaseManager, DatabaseManager(self.engine.url))
            await manager.connect()
            stack.push_async_callback(manager.disconnect)
            store = open_store(manager)
            await store.open()
            stack.push_async_callback(store.close)
            registry, notices = services.get(Registry), services.get(Notices)
            client = services.add(Client, Client(store, registry, notices, dump_actor=lambda: dump_principal(current_actor())))
            stack.callback(client.close)
            stack.push_async_callback(locks_of(services).close)
            self._parts = stack.pop_all()

    @asynccontextmanager
    async def _serving(
        self,
        *,
        poll_interval: float = 300,
        max_concurrent_workflows: int = 100,
        lock_duration: timedelta = timedelta(minutes=10),
        notification_callback: WorkflowNotificationCallback | None = None,
    ) -> AsyncGenerator[None]:
        if self._is_serving or self.is_running:
            raise RuntimeError("This orchestrator runs already.")
        config = WorkerConfig(
            poll_seconds=poll_interval, max_concurrent_runs=max_concurrent_workflows, lease_seconds=lock_duration.total_seconds()
        )
        self._is_serving = True
        try:
            async with self.opened(), self._worker(config, notification_callback):
                yield
        finally:
            self._is_serving = False

    @asynccontextmanager
    async def _worker(self, config: WorkerConfig, callback: WorkflowNotificationCallback | None) -> AsyncGenerator[None]:
        services = self.services
        async with AsyncExitStack() as stack:
            if callback is not None:
                stack.callback(services.get(Notifications).listen(callback))
            client, manager = services.get(Client), services.get(DatabaseManager)
            worker = Worker(client.store, client.registry, services.get(Notices), config, manager=manager, load_actor=load_principal)
            services.add(Worker, worker)
            stack.callback(client.endings.ask(worker.find_run))
            with bind_services(services):
                await worker.start()
            stack.push_async_callback(worker.stop)
            yield


@asynccontextmanager
async def orchestrator_context(orchestrator: WorkflowOrchestrator) -> AsyncGenerator[WorkflowOrchestrator]:
    """In the block *orchestrator* is the one of this task: workflows are started and awaited with it. It need not run for that."""
    async with orchestrator.opened():
        with bind_services(orchestrator.services):
            yield orchestrator


def _new_services(orchestrator: WorkflowOrchestrator) -> Services:
    services = Services()
    services.add(Registry, Registry())
    notices = services.add(Notices, Notices())
    services.add(Notifications, Notifications(notices))
    services.add(WorkflowOrchestrator, orchestrator)
    return services


def _services_of(engine: AsyncEngine) -> Services | None:
    """The services of the app whose engine this is, if this task belongs to it."""
    services = find_services()
    manager = services.find(DatabaseManager) if services is not None else None
    if services is None or manager is None or services.find(Client) is None:
        return None
    return services if manager.is_connected and manager.get_engine() is engine else None


def _find() -> WorkflowOrchestrator | None:
    services = find_services()
    if services is None:
        return None
    own = services.find(WorkflowOrchestrator)
    if own is not None:
        return own
    manager = services.find(DatabaseManager)
    is_app = manager is not None and manager.is_connected and services.find(Client) is not None
    return WorkflowOrchestrator(manager.get_engine()) if is_app and manager is not None else None


def _current_engine() -> AsyncEngine:
    scope = current_scope()
    if scope is not None:
        return scope.get().engine
    raise ServiceNotFound("No session belongs to this task whose engine could be used: make a WorkflowOrchestrator(engine) yourself.")
