"""What a run becomes when its function has ended: one table of legal changes, and nothing else."""

from __future__ import annotations

from itertools import product

import pytest

from planar.engine.core.lifecycle import LEGAL, CancelRequested, Ending, Outcome, Raised, Returned, settle
from planar.engine.core.model import ENDED, RunStatus
from planar.errors import InternalError

OUTCOMES: list[tuple[Outcome, Ending]] = [
    (Returned("7"), Ending(RunStatus.SUCCEEDED, "7", None)),
    (Raised('{"type":"E"}'), Ending(RunStatus.FAILED, None, '{"type":"E"}')),
    (CancelRequested('{"type":"C"}'), Ending(RunStatus.CANCELLED, None, '{"type":"C"}')),
]


@pytest.mark.parametrize(("outcome", "ending"), OUTCOMES)
def test_a_running_run_ends_as_its_function_did(outcome: Outcome, ending: Ending) -> None:
    assert settle(RunStatus.RUNNING, outcome) == ending


@pytest.mark.parametrize(("status", "outcome"), list(product(sorted(ENDED), (outcome for outcome, _ in OUTCOMES))))
def test_a_run_that_ended_cannot_end_again(status: RunStatus, outcome: Outcome) -> None:
    with pytest.raises(InternalError, match=f"{status.value} cannot become"):
        settle(status, outcome)


@pytest.mark.parametrize("status", [RunStatus.PENDING, RunStatus.SUSPENDED])
@pytest.mark.parametrize("outcome", [Returned("7"), Raised("{}")])
def test_a_run_that_nobody_executes_cannot_return_or_raise(status: RunStatus, outcome: Outcome) -> None:
    with pytest.raises(InternalError):
        settle(status, outcome)


@pytest.mark.parametrize("status", [RunStatus.PENDING, RunStatus.SUSPENDED])
def test_a_run_that_nobody_executes_can_be_cancelled(status: RunStatus) -> None:
    assert settle(status, CancelRequested("{}")).status is RunStatus.CANCELLED


def test_every_status_has_its_line_in_the_table_and_ends_are_final() -> None:
    assert set(LEGAL) == set(RunStatus)
    assert {status for status, after in LEGAL.items() if not after} == ENDED


def test_every_status_can_be_reached_and_every_run_can_end() -> None:
    reached = {RunStatus.PENDING}
    while (more := reached.union(*(LEGAL[status] for status in reached))) != reached:
        reached = more
    assert reached == set(RunStatus)
    assert all(RunStatus.CANCELLED in LEGAL[status] for status in RunStatus if status not in ENDED)
