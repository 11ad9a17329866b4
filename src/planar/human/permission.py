"""May whoever asks do this to that task? Asked of the policy once the task is known, and without telling what there is."""

from __future__ import annotations

from contextlib import suppress
from uuid import UUID

from planar.db.session import get_session
from planar.human import queries
from planar.human.errors import HumanTaskNotFound
from planar.human.models import HumanTask
from planar.human.people import resource_of
from planar.security.actions import Action, HumanTaskAction
from planar.security.authorization import is_allowed, validate_authorization_for
from planar.security.resources import ResourceDescriptor


async def permit(resource: ResourceDescriptor, action: Action) -> None:
    """Let whoever asks pass, if *action* on the task of that id is allowed, given all that a policy may decide by.

    An unknown task and one that they may not see answer alike: as a policy has it that knows the id only, and if that permits, there is
    no such task.

    Raises:
        Unauthenticated, Forbidden: it is not allowed.
        HumanTaskNotFound: there is no such task, or whoever asks may not even see it.
    """
    task = await _find(resource.resource_id)
    if task is not None:
        known = resource_of(task)
        if is_allowed(known, action):
            return
        if action is not HumanTaskAction.VIEW_DETAILS and is_allowed(known, HumanTaskAction.VIEW_DETAILS):
            validate_authorization_for(known, action)
    validate_authorization_for(resource, action)
    if _uuid(resource.resource_id) is not None:
        raise HumanTaskNotFound(f"Human task {resource.resource_id} not found")


async def _find(task_id: str | None) -> HumanTask | None:
    found = _uuid(task_id)
    if found is None:
        return None
    async with get_session().begin_read() as session:
        return await queries.get_task(session, found)


def _uuid(text: str | None) -> UUID | None:
    """The id that a path names; None if it is none, which the route's own check of the path then says."""
    with suppress(ValueError):
        return UUID(text or "")
    return None
