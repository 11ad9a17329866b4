"""Who does something to a task? The principal of the request or of the run, and never a name that somebody wrote."""

from __future__ import annotations

from typing import Final

from planar.db.session import current_scope
from planar.human.lifecycle import Who
from planar.human.models import HumanTask
from planar.modeling.errors import Misfits
from planar.modeling.mixins.auditable import actor_name
from planar.security.auth_context import get_current_principal
from planar.security.resources import HumanTaskResource

ANONYMOUS: Final = "anonymous"


def who_asks() -> Who:
    """Whoever sends the current request."""
    principal = get_current_principal()
    if principal is None:
        return Who(ANONYMOUS, is_known=False)
    names = frozenset(name for name in (principal.sub, principal.user_email) if name)
    return Who(actor_name(), names, frozenset(principal.roles), sub=principal.sub)


def who_acts(claimed: str | None = None) -> Who:
    """Whoever acts in the current code: as in a request, or outside of one the code itself if nobody does, which may say for whom.

    Raises:
        Misfits: somebody acts, known or not, and *claimed* is somebody else.
    """
    scope = current_scope()
    if get_current_principal() is None and not (scope is not None and scope.is_request):
        return Who(claimed or actor_name(), is_code=True)
    who = who_asks()
    check_name(who, claimed, "completed_by")
    return who


def check_name(who: Who, claimed: str | None, field: str) -> None:
    """Whether *claimed*, the *field* of a request, is *who* indeed.

    Raises:
        Misfits: it is somebody else. Whoever asks is known already, so nobody need say it, and nobody can say another name.
    """
    if claimed is not None and claimed not in {who.name, *who.names}:
        entry = {"type": "not_you", "loc": ("body", field), "msg": "It is not who sends the request; leave it out."}
        raise Misfits([entry])


def resource_of(task: HumanTask) -> HumanTaskResource:
    """*task*, as a policy sees it."""
    return HumanTaskResource(str(task.id), task.name, task.assignee, task.assigned_role, task.workflow_name)
