"""Does this app live, and is it fit to serve? Asked by machines that have no identity.

A check that fails says what to do, and nothing about the inside: who asks here is not known.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Literal

from fastapi import APIRouter, Response
from pydantic import BaseModel
from sqlalchemy import text

from planar.context import current_services
from planar.db.manager import DatabaseManager
from planar.db.session import get_session
from planar.engine.catalog import Registry
from planar.engine.client import Client
from planar.logging import get_logger
from planar.routers.checks import Check, Readiness
from planar.security.actions import HealthAction
from planar.security.guard import requires
from planar.security.route_table import RouteTable
from planar.workflows.queries import oldest_due

logger = get_logger(__name__)

CHECK_SECONDS: Final = 5.0
"""How long one check may take."""

LAG_SECONDS: Final = 60.0
"""How long a due run may wait for a worker."""


class Live(BaseModel):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Ready(BaseModel):
    """Every check passed."""

    status: Literal["ok"] = "ok"
    checks: dict[str, Check]


class NotReady(BaseModel):
    """A check failed: *detail* names those that did."""

    detail: str
    code: Literal["not_ready"] = "not_ready"
    status: Literal["not_ready"] = "not_ready"
    checks: dict[str, Check]


HEALTH_ROUTES: Final = RouteTable(tags=["Health"])


def create_health_router() -> APIRouter:
    """The routes ``/health``, which says that the process answers, and ``/health/ready``, which says whether it can serve."""
    return HEALTH_ROUTES.router()


@HEALTH_ROUTES.get("/health", dependencies=[requires(HealthAction.VIEW)])
async def health() -> Live:
    """Whether the process answers."""
    return Live()


@HEALTH_ROUTES.get(
    "/health/ready",
    dependencies=[requires(HealthAction.VIEW)],
    responses={503: {"model": NotReady, "description": "A check failed; it says what to do."}},
)
async def readiness(response: Response) -> Ready:
    """Whether requests and runs are served: the database, its tables, the worker, and how long due runs wait for one."""
    checks = await ready_checks()
    failed = [name for name, check in checks.items() if not check.ok]
    if failed:
        answer = NotReady(detail=f"Not ready: {', '.join(failed)}.", checks=checks)
        return Response(answer.model_dump_json(), 503, media_type="application/json")  # type: ignore[return-value] - sent as it is
    return Ready(checks=checks)


async def ready_checks() -> dict[str, Check]:
    """Every check by name. Without a database there is nothing to ask of the tables and the runs in it."""
    checks = {"database": await _checked(_database, "The database does not answer: look at the log, and at the database server or file.")}
    if checks["database"].ok:
        checks["migrations"] = await _checked(_migrations, "The tables could not be looked at: look at the log.")
        checks["lag"] = await _checked(_lag, "The runs could not be looked at: look at the log.")
    readiness = current_services().find(Readiness)
    if readiness is None:
        return {**checks, "worker": Check(ok=False, detail="No worker runs in this process: start the app through its lifespan.")}
    return {**checks, **await readiness.checks()}


async def _checked(check: Callable[[], Awaitable[Check]], otherwise: str) -> Check:
    """The outcome of *check*; if it raises or takes too long, the log has the reason and the answer *otherwise*."""
    try:
        async with asyncio.timeout(CHECK_SECONDS):
            return await check()
    except Exception:
        logger.exception("a readiness check failed", check=getattr(check, "__name__", "check"))
        return Check(ok=False, detail=otherwise)


async def _database() -> Check:
    async with current_services().get(DatabaseManager).get_session(label="readiness") as session:
        await (await session.connection()).execute(text("select 1"))
    return Check(ok=True)


async def _migrations() -> Check:
    status = await current_services().get(DatabaseManager).migration_status()
    # Tables of a newer version do: it leaves the workers of the version before it working while they are replaced.
    if status.is_current or (status.current is not None and status.current > status.head):
        return Check(ok=True)
    return Check(ok=False, detail="The framework's tables are not those of this version: start the app again, so that it migrates them.")


async def _lag() -> Check:
    """How long the oldest due run waits; runs of workflows that nobody here knows wait for somebody else."""
    services = current_services()
    due = await oldest_due(get_session(), services.get(Registry).names())
    late = 0.0 if due is None else max(0.0, (services.get(Client).now() - due).total_seconds())
    if late <= LAG_SECONDS:
        return Check(ok=True, seconds=round(late, 3))
    readiness = services.find(Readiness)
    if readiness is not None and not readiness.works:
        # This process does what it is for, and taking it out of service would help nobody.
        return Check(ok=True, seconds=round(late, 3), detail="Due runs wait for a worker: start `planar worker`, or more of them.")
    return Check(
        ok=False, seconds=round(late, 3), detail="Due runs wait for a worker: start more of them, or look at why this one takes no runs."
    )
