"""Every feature's routes. Each factory gives a router that belongs under ``/planar/v1``.

Routes and the shapes of their bodies are loaded when an app is built, not by whoever only imports one.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from planar.entities.router import create_entities_router
    from planar.files.router import create_files_router
    from planar.human.router import create_human_task_routes
    from planar.object_config.router import create_object_config_router
    from planar.routers.framework import framework_routes as framework_routes
    from planar.routers.health import create_health_router
    from planar.routers.info import create_info_router
    from planar.rules.router import create_rule_router
    from planar.workflows.router import create_workflow_event_routes, create_workflow_router

__all__ = [
    "create_entities_router",
    "create_files_router",
    "create_health_router",
    "create_human_task_routes",
    "create_info_router",
    "create_object_config_router",
    "create_rule_router",
    "create_workflow_event_routes",
    "create_workflow_router",
]

_HOMES = {
    "create_entities_router": "planar.entities.router",
    "create_files_router": "planar.files.router",
    "create_health_router": "planar.routers.health",
    "create_human_task_routes": "planar.human.router",
    "create_info_router": "planar.routers.info",
    "create_object_config_router": "planar.object_config.router",
    "create_rule_router": "planar.rules.router",
    "create_workflow_event_routes": "planar.workflows.router",
    "create_workflow_router": "planar.workflows.router",
    "framework_routes": "planar.routers.framework",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
