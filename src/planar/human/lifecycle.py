"""Which states has a task, and what may be done in which? Pure: plain values in, a decision out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final


class HumanTaskStatus(StrEnum):
    """Where a task is. The first two are open, the last three are the end."""

    PENDING = "pending"
    CLAIMED = "claimed"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


OPEN: Final = frozenset({HumanTaskStatus.PENDING, HumanTaskStatus.CLAIMED})


class Change(StrEnum):
    """What can happen to a task."""

    CLAIM = "claim"
    RELEASE = "release"
    DELEGATE = "delegate"
    ANSWER = "answer"
    """One of several answers that it needs."""
    COMPLETE = "complete"
    CANCEL = "cancel"
    EXPIRE = "expire"
    REMIND = "remind"
    ESCALATE = "escalate"
    REOPEN = "reopen"
    """Its answer cannot be read by the code that asked."""


_PENDING, _CLAIMED = HumanTaskStatus.PENDING, HumanTaskStatus.CLAIMED

LEGAL: Final[Mapping[tuple[HumanTaskStatus, Change], HumanTaskStatus]] = {
    (_PENDING, Change.CLAIM): _CLAIMED,
    (_CLAIMED, Change.CLAIM): _CLAIMED,
    (_PENDING, Change.RELEASE): _PENDING,
    (_CLAIMED, Change.RELEASE): _PENDING,
    (_PENDING, Change.DELEGATE): _PENDING,
    (_CLAIMED, Change.DELEGATE): _PENDING,
    (_PENDING, Change.ANSWER): _PENDING,
    (_PENDING, Change.COMPLETE): HumanTaskStatus.COMPLETED,
    (_CLAIMED, Change.COMPLETE): HumanTaskStatus.COMPLETED,
    (_PENDING, Change.CANCEL): HumanTaskStatus.CANCELLED,
    (_CLAIMED, Change.CANCEL): HumanTaskStatus.CANCELLED,
    (_PENDING, Change.EXPIRE): HumanTaskStatus.EXPIRED,
    (_CLAIMED, Change.EXPIRE): HumanTaskStatus.EXPIRED,
    (_PENDING, Change.REMIND): _PENDING,
    (_CLAIMED, Change.REMIND): _CLAIMED,
    (_PENDING, Change.ESCALATE): _PENDING,
    (_CLAIMED, Change.ESCALATE): _PENDING,
    (HumanTaskStatus.COMPLETED, Change.REOPEN): _PENDING,
}
"""Every legal change. What is not here is refused: people can do nothing to a task that has ended."""


@dataclass(frozen=True, slots=True)
class Who:
    """Somebody who does something to a task.

    Args:
        name: what they sign with.
        names: what they may be called where a task says whom it is for.
        roles: the roles that they have.
        is_code: the app's own code, for which nobody in particular acts: it may do everything.
        is_known: whether *name* means one person.
        sub: the subject of an identity, which never changes, unlike an address; what is theirs is kept by it.
    """

    name: str
    names: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    is_code: bool = False
    is_known: bool = True
    sub: str | None = None

    @property
    def key(self) -> str:
        """What tells this person from all others: *sub*; *name* only where nobody has an identity."""
        return self.sub or self.name


SYSTEM: Final = Who("system", is_code=True)
"""Time itself acts, or the run."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What decides about a change, of a task."""

    status: HumanTaskStatus
    assignee: str | None = None
    assigned_role: str | None = None
    claimed_by: str | None = None
    is_shared: bool = False
    """Whether several people answer it."""


class Refusal(StrEnum):
    """Why something may not be done."""

    CLOSED = "closed"
    NOT_ADDRESSED = "not_addressed"
    NEEDS_IDENTITY = "needs_identity"
    CLAIMED = "claimed"
    NOT_CLAIMABLE = "not_claimable"


_BY_ADDRESSEES: Final = frozenset({Change.CLAIM, Change.RELEASE, Change.ANSWER, Change.COMPLETE})
_BY_SOMEBODY: Final = frozenset({Change.CLAIM, Change.RELEASE})


def is_addressed(task: Standing, who: Who) -> bool:
    """Whether the task is for *who*: for everybody, for this person, or for a role of theirs."""
    if who.is_code or (task.assignee is None and task.assigned_role is None):
        return True
    return task.assignee in who.names or task.assigned_role in who.roles


def next_status(task: Standing, change: Change, who: Who) -> HumanTaskStatus | Refusal:
    """What *change* by *who* makes of the task, or why it may not be."""
    after = LEGAL.get((task.status, change))
    if after is None:
        return Refusal.CLOSED
    if change in _BY_ADDRESSEES and not is_addressed(task, who):
        return Refusal.NOT_ADDRESSED
    if not who.is_known and not who.is_code and (change in _BY_SOMEBODY or (task.is_shared and change in _BY_ADDRESSEES)):
        return Refusal.NEEDS_IDENTITY
    if task.is_shared and change is Change.CLAIM:
        return Refusal.NOT_CLAIMABLE
    if change in _BY_ADDRESSEES and task.claimed_by is not None and not who.is_code and task.claimed_by != who.key:
        return Refusal.CLAIMED
    return after


# -- several answers --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tally:
    """How many said yes and no so far, and how many of each decide."""

    approvals: int
    rejections: int
    needed: int
    enough_rejections: int

    def with_answer(self, approves: bool) -> Tally:
        """The same with one answer more."""
        return Tally(self.approvals + approves, self.rejections + (not approves), self.needed, self.enough_rejections)

    @property
    def is_decided(self) -> bool:
        """Whether no further answer is needed."""
        return self.approvals >= self.needed or self.rejections >= self.enough_rejections


# -- what time brings -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Timer:
    """At a time, something happens to a task that is open then."""

    at: datetime
    change: Change


def agenda(opened_at: datetime, reminders: tuple[timedelta, ...], escalate: timedelta | None, timeout: timedelta | None) -> list[Timer]:
    """What time brings to a task, in order: nothing after its end."""
    timers = [Timer(opened_at + after, Change.REMIND) for after in reminders]
    if escalate is not None:
        timers.append(Timer(opened_at + escalate, Change.ESCALATE))
    timers.sort(key=lambda timer: timer.at)
    if timeout is None:
        return timers
    end = opened_at + timeout
    return [*(timer for timer in timers if timer.at < end), Timer(end, Change.EXPIRE)]
