"""The framework's own routes with their whole paths, for an app to serve.

FastAPI analyses the types of a route when it is declared, and again at each inclusion of its router, for milliseconds each. So these
are declared flat, and once a process: an app gets copies.
"""

from __future__ import annotations

from copy import copy
from functools import cache
from typing import Final

from fastapi import APIRouter
from starlette.routing import BaseRoute

from planar.entities.router import ENTITY_TABLES
from planar.files.router import FILE_TABLES
from planar.human.router import HUMAN_TASK_ROUTES
from planar.object_config.router import OBJECT_CONFIG_ROUTES
from planar.routers.health import HEALTH_ROUTES
from planar.routers.info import info_routes
from planar.rules.router import RULE_ROUTES
from planar.security.route_table import RouteTable
from planar.workflows.router import EVENT_ROUTES, WORKFLOW_ROUTES

_TABLES: Final = (
    HEALTH_ROUTES,
    EVENT_ROUTES,
    WORKFLOW_ROUTES,
    *ENTITY_TABLES,
    *FILE_TABLES,
    RULE_ROUTES,
    OBJECT_CONFIG_ROUTES,
    HUMAN_TASK_ROUTES,
)


def framework_routes(parent: APIRouter, title: str, description: str) -> list[BaseRoute]:
    """The routes of every feature, as if their routers were included in *parent*.

    Args:
        parent: whose prefix and tags they get.
        title, description: of the app, for ``/system-info``.

    Returns:
        Routes for this app alone: what it changes in one of them, no other app sees.
    """
    prefix, tags = parent.prefix, tuple(str(tag) for tag in parent.tags)
    info = info_routes(title, description).under(prefix, tags)
    health, *others = (_declared(table, prefix, tags) for table in _TABLES)
    # Fixed paths come before those with parameters.
    return [*map(copy, health), *info, *(copy(route) for table in others for route in table)]


@cache
def _declared(table: RouteTable, prefix: str, tags: tuple[str, ...]) -> tuple[BaseRoute, ...]:
    return tuple(table.under(prefix, tags))
