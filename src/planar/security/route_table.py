"""Which routes does a feature have? Written beside their functions, built when an app asks for them.

FastAPI analyses a route's types when it is declared. A module that declared its routes at import would make everybody pay for
that who only imports it: a script, a test, the command line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from fastapi import APIRouter
from starlette.routing import BaseRoute

from planar.security.guard import GuardedRoute

F = TypeVar("F", bound=Callable[..., Any])


class RouteTable:
    """Routes to be: the decorators of a router that does not exist yet.

    Args:
        options: what the router takes, such as ``prefix``, ``tags`` and ``responses``.
    """

    def __init__(self, **options: Any) -> None:
        self._options = options
        self._routes: list[tuple[str, str, Callable[..., Any], dict[str, Any]]] = []

    def get(self, path: str, **options: Any) -> Callable[[F], F]:
        """A route that reads; *options* are FastAPI's."""
        return self._add("GET", path, options)

    def post(self, path: str, **options: Any) -> Callable[[F], F]:
        """A route that acts; *options* are FastAPI's."""
        return self._add("POST", path, options)

    def put(self, path: str, **options: Any) -> Callable[[F], F]:
        """A route that replaces; *options* are FastAPI's."""
        return self._add("PUT", path, options)

    def patch(self, path: str, **options: Any) -> Callable[[F], F]:
        """A route that changes; *options* are FastAPI's."""
        return self._add("PATCH", path, options)

    def delete(self, path: str, **options: Any) -> Callable[[F], F]:
        """A route that deletes; *options* are FastAPI's."""
        return self._add("DELETE", path, options)

    def router(self) -> APIRouter:
        """A new router with these routes, each of which asks for permission before it reads the request."""
        return self._router(**self._options)

    def under(self, prefix: str, tags: Iterable[str]) -> list[BaseRoute]:
        """New routes with their whole paths, which an app can serve without including a router.

        Args:
            prefix: what stands before the table's own prefix.
            tags: what stands before the table's own tags.
        """
        whole = {"prefix": prefix + self._options.get("prefix", ""), "tags": [*tags, *self._options.get("tags", ())]}
        return self._router(**{**self._options, **whole}).routes

    def _router(self, **options: Any) -> APIRouter:
        router = APIRouter(route_class=GuardedRoute, **options)
        for method, path, endpoint, own in self._routes:
            router.add_api_route(path, endpoint, methods=[method], **own)
        return router

    def _add(self, method: str, path: str, options: dict[str, Any]) -> Callable[[F], F]:
        def add(endpoint: F) -> F:
            self._routes.append((method, path, endpoint, options))
            return endpoint

        return add
