"""PlanarApp: what a user registers, and the ASGI entry."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, ParamSpec, Self, TypeVar

from fastapi import APIRouter, FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from planar import routers
from planar.app.assembly import Running, default_services
from planar.app.binding import BindingMiddleware
from planar.app.docs import add_api_docs
from planar.app.lifespan import OnStartup, running, script_session
from planar.app.readiness import AppReadiness
from planar.app.role import Role
from planar.config import PlanarConfig, check_supported, load_environment_aware_config
from planar.db.manager import DatabaseManager
from planar.engine.catalog import Registry
from planar.engine.events import Notices
from planar.engine.tracing import TracerSlot
from planar.engine.worker import Worker
from planar.entities.registration import EntityRegistry
from planar.entities.transfer_router import MAX_IMPORT_BYTES
from planar.files.storage.base import Storage
from planar.human.announcing import Hook, HumanTaskHooks
from planar.logging import configure_logging, get_logger
from planar.object_config.registration import ConfigurableType, ConfigurableTypes
from planar.object_registry import ObjectRegistry
from planar.routers.checks import Readiness
from planar.routers.limits import BodyLimitMiddleware
from planar.routers.problems import install_problem_handlers
from planar.rules.decorator import RuleWrapper
from planar.rules.errors import RuleNotFound
from planar.rules.registration import RuleRegistry
from planar.security.authenticator import Authenticator
from planar.security.authorization import Authorizer
from planar.workflows import WorkflowWrapper
from planar.workflows.notifications import Notifications, WorkflowNotificationCallback
from planar.workflows.tracing import LoggingTracer, Tracer

logger = get_logger(__name__)

PLANAR_BASE_PATH = "/planar"

P = ParamSpec("P")
R = TypeVar("R")


class PlanarApp:
    """One business service: its workflows, its routes, and everything that serves them.

    Args:
        config: the settings; by default those of the environment (`planar.config.load_environment_aware_config`).
        title, description: what the API's documentation says.
        on_startup: awaited with the database engine once everything runs, before requests are served.
        on_workflow_notification: called with everything that happens to runs and steps in this process; a plain function, and quick.

    Raises:
        InvalidConfigurationError: the settings are wrong, or switch on what this version does not have.
        TypeError: *config* is something else.
    """

    def __init__(
        self,
        *,
        config: PlanarConfig | None = None,
        title: str | None = None,
        description: str | None = None,
        on_startup: OnStartup | None = None,
        on_workflow_notification: WorkflowNotificationCallback | None = None,
    ) -> None:
        if config is not None and not isinstance(config, PlanarConfig):  # pyright: ignore[reportUnnecessaryIsInstance] - callers may not check types
            raise TypeError(f"config is a PlanarConfig, as from load_config() or sqlite_config(), not a {type(config).__name__}.")
        self.config = config or load_environment_aware_config()
        check_supported(self.config)
        configure_logging(self.config.logging)
        self.notices = Notices()
        self.registry = Registry()
        self.db_manager = DatabaseManager(
            self.config.connection_url(),
            pool=self.config.pool(),
            max_conflict_retries=self.config.app.max_db_conflict_retries,
        )
        self.services = default_services(self.config, self.db_manager, self.registry)
        self.services.add(TracerSlot, TracerSlot(LoggingTracer()))
        notifications = self.services.add(Notifications, Notifications(self.notices))
        if on_workflow_notification is not None:
            notifications.listen(on_workflow_notification)
        entities = self.services.add(EntityRegistry, EntityRegistry())
        self._object_registry = self.services.add(ObjectRegistry, ObjectRegistry(self.registry, entities, self.services.get(RuleRegistry)))
        self._on_startup = on_startup
        self._running: Running | None = None
        self._is_alive = False
        self._readiness = AppReadiness(self.services)
        self.services.add(Readiness, self._readiness)
        self.fastapi = FastAPI(
            title=title or "Planar API",
            description=description or "Planar API",
            lifespan=self._lifespan,
            docs_url=None,
            redoc_url=None,
        )
        self.router_v1 = APIRouter(prefix=f"{PLANAR_BASE_PATH}/v1", tags=["Planar API v1"])
        self._add_routes()
        self._add_middleware()

    # -- registration -------------------------------------------------------------------------------------------------

    def register_workflow(self, wrapper: WorkflowWrapper[..., Any]) -> Self:
        """Serve a workflow.

        Raises:
            WorkflowNameTaken: another workflow of this app has the name.
            TypeError: it is not a workflow, or a parameter cannot be an input over HTTP.
        """
        if not isinstance(wrapper, WorkflowWrapper):  # pyright: ignore[reportUnnecessaryIsInstance] - callers may not check types
            raise TypeError(f"register_workflow takes what @workflow() returns, not {wrapper!r}.")
        self._object_registry.register(wrapper)
        return self

    def register_entity(self, cls: type[Any], name: str | None = None) -> Self:
        """Serve the rows of a table for people to see and edit, below ``/planar/v1/entities/{name}``.

        Args:
            cls: ``class Invoice(PlanarBaseEntity, table=True)``; its ``entity_options`` say how.
            name: how it is called, if not like its class.

        Raises:
            NotAnEntity: (a TypeError) it is not a table, or its primary key is not one column.
            UnusableOptions, EntityNameTaken: (ValueErrors) its options do not fit its fields, or another class has the name.
        """
        self._object_registry.entities.register(cls, name)
        return self

    def register_rule(self, fn: RuleWrapper[..., Any]) -> Self:
        """Serve a rule for people to see and edit, below ``/planar/v1/rules/{name}``.

        Args:
            fn: what ``@rule(description=...)`` returned.

        Raises:
            RuleNotFound: (a ValueError) it is no rule.
            RuleNameTaken: (a ValueError) another rule of this app has the name, or a route has it.
        """
        if not isinstance(fn, RuleWrapper):  # pyright: ignore[reportUnnecessaryIsInstance] - callers may not check types
            name = getattr(fn, "__name__", repr(fn))
            raise RuleNotFound(f"rule {name} not found: register_rule takes what @rule(description=...) returns.")
        self._object_registry.register(fn)
        return self

    def register_router(self, router: APIRouter, prefix: str | None = None, **options: Any) -> Self:
        """Serve routes of the user's own, at the root of the app. A router without tags is tagged by its first path segment."""
        path = prefix or router.prefix
        if not router.tags and "tags" not in options:
            segment = path.strip("/").split("/")[0]
            if segment:
                options["tags"] = [segment.replace("-", " ").replace("_", " ").title()]
            else:
                logger.warning("a router without tags and prefix was registered: its routes stand without a heading in the API docs")
        self.fastapi.include_router(router, prefix=prefix or "", **options)
        return self

    def register_configurable(self, kind: ConfigurableType) -> Self:
        """Let people edit objects of a type of the app's own, in versions, below ``/planar/v1/object-configurations``.

        Args:
            kind: how its versions are read and checked, what the code's own are, and who may edit them.

        Raises:
            ObjectTypeTaken: (a ValueError) another type has the name.
        """
        self.services.get(ConfigurableTypes).add(kind)
        return self

    def on_human_task(self, hook: Hook) -> Hook:
        """Call *hook* with a `HumanTaskNews` for each change to a task for people, after it is durable. Usable as a decorator.

        It may be asynchronous. It is called by a durable step of a run of its own: tried again if it fails, and never in the way.

        Raises:
            TypeError: it cannot be called.
        """
        self.services.get(HumanTaskHooks).add(hook)
        return hook

    def use_authenticator(self, authenticator: Authenticator) -> Self:
        """Let *authenticator* tell who sends a request."""
        self.services.add(Authenticator, authenticator)
        return self

    def use_authorizer(self, authorizer: Authorizer) -> Self:
        """Let *authorizer* decide who may do what."""
        self.services.add(Authorizer, authorizer)
        return self

    @property
    def middleware(self) -> Callable[..., Any]:
        """FastAPI's decorator for a middleware of the user's own."""
        return self.fastapi.middleware

    # -- life ---------------------------------------------------------------------------------------------------------

    def take_role(self, *, works: bool = True, max_concurrent_runs: int | None = None) -> Self:
        """Say, before the app starts, what this process does for it.

        Args:
            works: whether a worker executes runs here. Without one, runs are started, waited for, cancelled and sent events as
                ever, and other processes execute them. ``planar prod --no-worker`` and ``planar worker`` call this.
            max_concurrent_runs: how many runs the worker advances at once, if it is not what the settings say.

        Raises:
            RuntimeError: the app is running already.
        """
        if self._is_alive:
            raise RuntimeError("The app is running: take_role has to be called before it starts.")
        self.services.add(Role, Role(works, max_concurrent_runs))
        return self

    async def run_standalone(self, func: Callable[P, Awaitable[R]], *args: P.args, **kwargs: P.kwargs) -> R:
        """Start the app without a server, await *func*, stop the app; what *func* returned.

        Workflows, sessions and events work in it as in a request; many runs may be awaited at once.

        Raises:
            RuntimeError: the app is running already.
        """
        async with self._lifespan(self.fastapi), script_session(self.services, getattr(func, "__name__", "run_standalone")):
            return await func(*args, **kwargs)

    async def graceful_shutdown(self) -> None:
        """The server was asked to stop: say so to whoever asks for readiness. The rest follows with the lifespan's end."""
        self._readiness.stopping = True

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI entry."""
        await self.fastapi(scope, receive, send)

    @asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncGenerator[None]:
        if self._is_alive:
            # The second one would close the database under the first.
            raise RuntimeError(
                "This app is running already. Code that runs in it awaits its workflows itself; for many at once,"
                " await them together in one function that is given to run_standalone."
            )
        self._is_alive = True
        try:
            async with running(self.services, self.notices, self._on_startup) as parts:
                self._running, self._readiness.stopping = parts, False
                try:
                    yield
                finally:
                    self._running = None
        finally:
            self._is_alive = False

    @property
    def worker(self) -> Worker:
        """The worker, while the app runs.

        Raises:
            RuntimeError: it does not, or has no worker in this process.
        """
        if self._running is None:
            raise RuntimeError("The app is not running: use it through a server, or through run_standalone.")
        if self._running.worker is None:
            raise RuntimeError("This process has no worker: it only serves, and other processes execute the runs.")
        return self._running.worker

    @property
    def storage(self) -> Storage | None:
        """Where the bytes of files are, while the app runs: built from its section of the settings. None if that says so."""
        return self.services.find(Storage)

    @property
    def tracer(self) -> Tracer | None:
        """Who hears of trace points: at first one that writes them to the log at DEBUG. May be replaced at any time."""
        return self.services.get(TracerSlot).tracer

    @tracer.setter
    def tracer(self, tracer: Tracer | None) -> None:
        self.services.get(TracerSlot).tracer = tracer

    # -- construction -------------------------------------------------------------------------------------------------

    def _add_routes(self) -> None:
        # Flat, and not through the router: a request comes to its route at once, and building an app costs next to nothing.
        self.fastapi.routes.extend(routers.framework_routes(self.router_v1, self.fastapi.title, self.fastapi.description))
        self.fastapi.include_router(self.router_v1)  # what is added to it later
        add_api_docs(self.fastapi)

    def _add_middleware(self) -> None:
        """From the innermost to the outermost: each one added stands around those before it."""
        add = self.fastapi.add_middleware
        add(BindingMiddleware, services=self.services)
        add(LimitedBase, max_body_bytes=self.config.workflows.max_argument_bytes + _ENVELOPE_BYTES, own_limits=own_limits(self.config))
        install_problem_handlers(self.fastapi)
        # Outside of the net for errors, so that a page of another origin can read those as well.
        add(CORSMiddleware, **self.config.cors.middleware_options())


_ENVELOPE_BYTES = 64 * 1024
"""What a request may carry beside the arguments, whose own limit is exact."""


def own_limits(config: PlanarConfig) -> dict[str, int]:
    """The paths of routes that read a body as it arrives, and the largest one of each. One that ends in ``/`` is a prefix."""
    base = f"{PLANAR_BASE_PATH}/v1"
    return {
        f"{base}/file/upload": config.files.max_upload_bytes,
        f"{base}/file/uploads/": config.files.max_file_bytes,
        f"{base}/entities/": MAX_IMPORT_BYTES,  # each of them reads no more than it needs
    }


class LimitedBase:
    """The limit on bodies for the framework's routes; those of users set their own.

    Args:
        app: the application inside.
        max_body_bytes: the largest body of a route that reads it as a whole.
        own_limits: other limits, by path or by the prefix of a path; the longest counts.
    """

    def __init__(self, app: ASGIApp, max_body_bytes: int, own_limits: Mapping[str, int]) -> None:
        self._app = app
        self._limited = BodyLimitMiddleware(app, max_body_bytes)
        by_length = sorted(own_limits, key=len, reverse=True)
        self._own = [(path, BodyLimitMiddleware(app, own_limits[path])) for path in by_length]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Below what the app is mounted at, or a proxy serves it under.
        path = scope.get("path", "").removeprefix(scope.get("root_path", ""))
        await (self._limit_of(path) if path.startswith(PLANAR_BASE_PATH + "/") else self._app)(scope, receive, send)

    def _limit_of(self, path: str) -> ASGIApp:
        for own, limited in self._own:
            if path == own or (own.endswith("/") and path.startswith(own)):
                return limited
        return self._limited
