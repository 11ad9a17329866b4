"""Every feature's routes. Each factory gives a router that belongs under ``/planar/v1``."""

from __future__ import annotations

from planar.routers.health import create_health_router
from planar.routers.info import create_info_router
from planar.workflows.router import create_workflow_event_routes, create_workflow_router

__all__ = ["create_health_router", "create_info_router", "create_workflow_event_routes", "create_workflow_router"]
