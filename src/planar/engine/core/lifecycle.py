"""Every legal change of a run's state, in one table; and what a run becomes when a pass is over."""

from __future__ import annotations

from typing import NamedTuple

from planar.engine.core.model import RunStatus
from planar.errors import InternalError

LEGAL: dict[RunStatus, frozenset[RunStatus]] = {
    RunStatus.PENDING: frozenset({RunStatus.RUNNING, RunStatus.CANCELLED}),
    RunStatus.RUNNING: frozenset(
        {RunStatus.PENDING, RunStatus.SUSPENDED, RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED},
    ),
    RunStatus.SUSPENDED: frozenset({RunStatus.PENDING, RunStatus.RUNNING, RunStatus.CANCELLED}),
    RunStatus.SUCCEEDED: frozenset(),
    RunStatus.FAILED: frozenset(),
    RunStatus.CANCELLED: frozenset(),
}
"""From a state to those that may follow: running goes back to pending when its worker dies or hands it over."""


class Returned(NamedTuple):
    """The function returned; ``result`` is its JSON text."""

    result: str


class Raised(NamedTuple):
    """The function raised; ``error`` is the failure's JSON text."""

    error: str


class CancelRequested(NamedTuple):
    """Somebody asked for the end, and the function has ended, however it did."""

    error: str


Outcome = Returned | Raised | CancelRequested


class Ending(NamedTuple):
    """How a run ended."""

    status: RunStatus
    result: str | None
    error: str | None


def settle(status: RunStatus, outcome: Outcome) -> Ending:
    """The pass is over: what is the run now.

    Raises:
        InternalError: the change is not legal.
    """
    match outcome:
        case Returned(result):
            ending = Ending(RunStatus.SUCCEEDED, result, None)
        case Raised(error):
            ending = Ending(RunStatus.FAILED, None, error)
        case CancelRequested(error):
            ending = Ending(RunStatus.CANCELLED, None, error)
    if ending.status not in LEGAL[status]:
        raise InternalError(f"A run that is {status.value} cannot become {ending.status.value}.")
    return ending
