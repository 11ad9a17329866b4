"""What can go wrong with a task for a person.

::

    PlanarError
    ├── HumanTaskNotFound       404  there is no such task (also LookupError, ValueError)
    ├── HumanTaskClosed         409  it is not open any more (also ValueError)
    ├── HumanTaskClaimed        409  somebody else has claimed it (also ValueError)
    ├── HumanTaskNotClaimable   409  several people answer it, so nobody claims it (also ValueError)
    ├── HumanTaskAnswered       409  who answers has answered already (also ValueError)
    ├── HumanTaskFormUnknown    409  this process does not know what the answer has to look like
    ├── HumanTaskNotAddressed   403  it is for somebody else
    ├── HumanTaskNeedsIdentity  403  somebody has to be known here, and nobody is
    ├── HumanTaskCancelled      409  what the workflow gets in place of an answer
    └── HumanTaskExpired        409  what the workflow gets when nobody answered in time (also TimeoutError, ValueError)
"""

from __future__ import annotations

from planar.errors import PlanarError


class HumanTaskNotFound(PlanarError, LookupError, ValueError):
    """There is no such task."""

    code = "human_task_not_found"
    status = 404


class HumanTaskClosed(PlanarError, ValueError):
    """The task is not open any more."""

    code = "human_task_closed"
    status = 409


class HumanTaskClaimed(PlanarError, ValueError):
    """Somebody else has claimed the task."""

    code = "human_task_claimed"
    status = 409


class HumanTaskNotClaimable(PlanarError, ValueError):
    """Several people answer this task, so nobody can have it alone."""

    code = "human_task_not_claimable"
    status = 409


class HumanTaskAnswered(PlanarError, ValueError):
    """Each person answers once."""

    code = "human_task_answered"
    status = 409


class HumanTaskFormUnknown(PlanarError):
    """This process does not know what the answer has to look like."""

    code = "human_task_form_unknown"
    status = 409


class HumanTaskNotAddressed(PlanarError):
    """The task is for somebody else."""

    code = "human_task_not_addressed"
    status = 403


class HumanTaskNeedsIdentity(PlanarError):
    """Somebody has to be known here: one person is not to count twice, and a claim is somebody's."""

    code = "human_task_needs_identity"
    status = 403


class HumanTaskCancelled(PlanarError):
    """The task was cancelled: there is no answer."""

    code = "human_task_cancelled"
    status = 409


class HumanTaskExpired(PlanarError, TimeoutError, ValueError):
    """Nobody answered in time."""

    code = "human_task_expired"
    status = 409
