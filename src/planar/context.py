"""Which services does the running app have, who acts, and for which run? Found by type, bound by one function each.

Objects that exist before any app does (a workflow, a step, later an agent or a rule) look up the app that is calling them
here. Code that is handed its parts does not use this module.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar
from uuid import UUID

from planar.errors import PlanarError

T = TypeVar("T")


class ServiceNotFound(PlanarError, LookupError):
    """No running Planar app was found here."""

    code = "service_not_found"


class Services:
    """The parts of one app, by type. Small and flat: one object a type."""

    def __init__(self) -> None:
        self._by_type: dict[type, object] = {}

    def add(self, kind: type[T], service: T) -> T:
        """Make *service* the one found under *kind*, replacing an earlier one."""
        self._by_type[kind] = service
        return service

    def find(self, kind: type[T]) -> T | None:
        """The service registered under *kind*, or None."""
        # Not by `cast`, which is a call: this is asked for each call of a workflow.
        service: Any = self._by_type.get(kind)
        return service

    def remove(self, kind: type) -> None:
        """Find nothing under *kind* any more."""
        self._by_type.pop(kind, None)

    def get(self, kind: type[T]) -> T:
        """The service registered under *kind*.

        Raises:
            ServiceNotFound: the app has none; the message names the type.
        """
        service = self.find(kind)
        if service is None:
            raise ServiceNotFound(f"The running app has no {kind.__name__}.")
        return service


class Actor(Protocol):
    """Whoever acts: what the lower layers need to know of a principal."""

    @property
    def sub(self) -> str: ...
    @property
    def user_email(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class RunPlace:
    """Where in a run code stands: the run, the name of its workflow, and the number and name of the innermost step, if it is in one."""

    run_id: UUID
    workflow: str
    step_id: int | None = None
    step: str | None = None


@dataclass(frozen=True, slots=True)
class RunFinder:
    """A service: how lower layers ask which run the current code belongs to, without knowing what a run is.

    Args:
        find: answers None outside of a run, and never fails.
    """

    find: Callable[[], RunPlace | None]


_services: ContextVar[Services | None] = ContextVar("planar_services", default=None)

actor_var: ContextVar[Actor | None] = ContextVar("planar_principal", default=None)
"""Who acts in the current task. Written by `planar.security.auth_context` only."""


def current_services() -> Services:
    """The services of the app that this task belongs to.

    Raises:
        ServiceNotFound: the code runs outside a request, a run and ``app.run_standalone``.
    """
    services = _services.get()
    if services is None:
        raise ServiceNotFound(
            "No running Planar app was found. Call this from a request handler, a workflow or a step, or through"
            " `await app.run_standalone(function)`."
        )
    return services


def find_services() -> Services | None:
    """The services of the current app, or None outside one."""
    return _services.get()


@contextmanager
def bind_services(services: Services) -> Generator[Services]:
    """Make *services* the ones found in this task, and in tasks that it starts, until the block ends."""
    token: Token[Services | None] = _services.set(services)
    try:
        yield services
    finally:
        _services.reset(token)


def current_actor() -> Actor | None:
    """Who acts in this task; None if nobody was named."""
    return actor_var.get()


def current_run_place() -> RunPlace | None:
    """Where in a run this code stands; None outside of one, and outside of an app."""
    services = _services.get()
    finder = services.find(RunFinder) if services is not None else None
    return finder.find() if finder is not None else None
