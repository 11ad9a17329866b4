"""What may be done to a task, in every state: decided without a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from planar.human.lifecycle import LEGAL, OPEN, Change, HumanTaskStatus, Refusal, Standing, Tally, Who, agenda, is_addressed, next_status

ANN = Who("ann@example.org", frozenset({"ann", "ann@example.org"}), frozenset({"finance"}), sub="ann")
BOB = Who("bob", frozenset({"bob"}))
NOBODY = Who("anonymous", is_known=False)
CODE = Who("system", is_code=True)
START = datetime(2027, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_nothing_happens_to_a_task_that_has_ended() -> None:
    for status, change in product(HumanTaskStatus, Change):
        after = next_status(Standing(status), change, CODE)
        assert (after is Refusal.CLOSED) == ((status, change) not in LEGAL)
        if status not in OPEN and change is not Change.REOPEN:
            assert after is Refusal.CLOSED
    assert next_status(Standing(HumanTaskStatus.COMPLETED), Change.REOPEN, CODE) is HumanTaskStatus.PENDING


def test_every_change_of_an_open_task_leads_somewhere() -> None:
    for status, change in product(OPEN, Change):
        if change is not Change.REOPEN and (status, change) != (HumanTaskStatus.CLAIMED, Change.ANSWER):
            assert isinstance(next_status(Standing(status), change, CODE), HumanTaskStatus)


@pytest.mark.parametrize(
    ("task", "ann", "bob", "nobody"),
    [
        (Standing(HumanTaskStatus.PENDING), True, True, True),
        (Standing(HumanTaskStatus.PENDING, assignee="ann"), True, False, False),
        (Standing(HumanTaskStatus.PENDING, assignee="ann@example.org"), True, False, False),
        (Standing(HumanTaskStatus.PENDING, assigned_role="finance"), True, False, False),
        (Standing(HumanTaskStatus.PENDING, assignee="bob", assigned_role="finance"), True, True, False),
        (Standing(HumanTaskStatus.PENDING, assignee="anonymous"), False, False, False),
    ],
)
def test_a_task_is_for_whom_it_names(task: Standing, ann: bool, bob: bool, nobody: bool) -> None:
    assert [is_addressed(task, who) for who in (ANN, BOB, NOBODY, CODE)] == [ann, bob, nobody, True]
    for who, expected in ((ANN, ann), (BOB, bob)):
        for change in (Change.COMPLETE, Change.CLAIM):
            after = next_status(task, change, who)
            assert (after is Refusal.NOT_ADDRESSED) is not expected


def test_what_somebody_claimed_nobody_else_answers() -> None:
    task = Standing(HumanTaskStatus.CLAIMED, claimed_by="ann")
    for change in (Change.COMPLETE, Change.CLAIM, Change.RELEASE):
        assert next_status(task, change, BOB) is Refusal.CLAIMED
        assert isinstance(next_status(task, change, ANN), HumanTaskStatus)
        assert isinstance(next_status(task, change, CODE), HumanTaskStatus)
    assert next_status(task, Change.CANCEL, BOB) is HumanTaskStatus.CANCELLED
    assert next_status(task, Change.DELEGATE, BOB) is HumanTaskStatus.PENDING


def test_a_claim_and_a_vote_are_somebodys() -> None:
    assert next_status(Standing(HumanTaskStatus.PENDING), Change.CLAIM, NOBODY) is Refusal.NEEDS_IDENTITY
    shared = Standing(HumanTaskStatus.PENDING, is_shared=True)
    assert next_status(shared, Change.COMPLETE, NOBODY) is Refusal.NEEDS_IDENTITY
    assert next_status(shared, Change.CLAIM, ANN) is Refusal.NOT_CLAIMABLE
    assert next_status(shared, Change.ANSWER, ANN) is HumanTaskStatus.PENDING


@pytest.mark.parametrize(
    ("needed", "enough", "answers", "decided"),
    [
        (1, 1, "y", True),
        (2, 1, "y", False),
        (2, 1, "yy", True),
        (2, 1, "n", True),
        (2, 1, "yn", True),
        (2, 2, "yn", False),
        (2, 2, "ynn", True),
        (3, 3, "ynyny", True),
    ],
)
def test_a_quorum_is_decided_by_enough_of_either(needed: int, enough: int, answers: str, decided: bool) -> None:
    tally = Tally(0, 0, needed, enough)
    for answer in answers:
        assert not tally.is_decided
        tally = tally.with_answer(answer == "y")
    assert tally.is_decided is decided


def test_time_brings_things_in_order_and_nothing_after_the_end() -> None:
    timers = agenda(START, (3 * HOUR, HOUR, 5 * HOUR), 2 * HOUR, 4 * HOUR)
    assert [((timer.at - START) / HOUR, timer.change) for timer in timers] == [
        (1, Change.REMIND),
        (2, Change.ESCALATE),
        (3, Change.REMIND),
        (4, Change.EXPIRE),
    ]
    assert agenda(START, (), None, None) == []
