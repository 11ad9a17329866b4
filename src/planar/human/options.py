"""How is a task for a person to be treated? The values that `Human` takes, checked when it is declared."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

LONGEST: Final = timedelta(days=365_250)


class Timeout:
    """How long people have to answer.

    Raises:
        TypeError: it is not given as a timedelta.
        ValueError: it is not above zero, or more than a thousand years.
    """

    def __init__(self, duration: timedelta) -> None:
        self._duration = checked_time(duration, "A Timeout")

    def get_seconds(self) -> float:
        """The same in seconds."""
        return self._duration.total_seconds()

    def get_timedelta(self) -> timedelta:
        """The same as a timedelta."""
        return self._duration

    def __repr__(self) -> str:
        return f"Timeout({self._duration!r})"


@dataclass(frozen=True, slots=True)
class Escalation:
    """What happens to a task that is still open after some time: it goes to somebody else. A claim on it ends.

    Args:
        after: how long after it was created.
        to: the person that it is for from then on.
        to_role: the role that it is for; with neither it stays with whom it was for.
        priority: its new priority.

    Raises:
        TypeError: *after* is not a timedelta.
        ValueError: it is not above zero, or nothing would change.
    """

    after: timedelta
    to: str | None = None
    to_role: str | None = None
    priority: int | None = None

    def __post_init__(self) -> None:
        checked_time(self.after, "Escalation.after")
        if self.to is None and self.to_role is None and self.priority is None:
            raise ValueError("An Escalation changes something: give it to=, to_role= or priority=.")


@dataclass(frozen=True, slots=True)
class Quorum:
    """Several people answer; each once. Every answer is a whole one, and one of its fields says yes or no.

    The task is completed by the answer that decides, which is then the result. With the defaults one "no" is enough; with
    ``rejections=approvals`` as many are needed as of "yes".

    Args:
        approvals: how many have to say yes.
        rejections: how many times no ends it.
        field: the boolean field of the answer that decides.

    Raises:
        ValueError: a number is below 1.
    """

    approvals: int
    rejections: int = 1
    field: str = "approved"

    def __post_init__(self) -> None:
        if self.approvals < 1 or self.rejections < 1:
            raise ValueError(f"A Quorum is decided by at least one yes or one no, not by {self.approvals} and {self.rejections}.")

    def check(self, output_type: type[Any]) -> None:
        """Whether the answer has the field.

        Raises:
            ValueError: it has not, or it is not boolean.
        """
        field = output_type.model_fields.get(self.field)
        if field is None or field.annotation is not bool:
            raise ValueError(f"A Quorum decides by a field of type bool: {output_type.__name__} has no such field {self.field!r}.")


def check_reach(quorum: Quorum, assign_to: str | None, assign_role: str | None, escalate: Escalation | None) -> None:
    """Whether a task for these people can be decided by as many as *quorum* needs.

    Raises:
        ValueError: it is for too few: each person answers once.
    """
    addressed = [(assign_to, assign_role)]
    if escalate is not None and (escalate.to is not None or escalate.to_role is not None):
        addressed.append((escalate.to, escalate.to_role))
    people = {person for person, role in addressed if person is not None and role is None}
    is_open = any(person is None or role is not None for person, role in addressed)
    needed = max(quorum.approvals, quorum.rejections)
    if not is_open and len(people) < needed:
        raise ValueError(
            f"A Quorum of {needed} is never met by a task for {' and '.join(sorted(people))}: each person answers once. Use assign_role=."
        )


def checked_time(value: Any, what: str) -> timedelta:
    """*value*, if it is a time above zero.

    Raises:
        TypeError, ValueError: it is not; *what* says where it was given.
    """
    if not isinstance(value, timedelta):
        raise TypeError(f"{what} is a timedelta, such as timedelta(hours=4), not {value!r}.")
    if not timedelta(0) < value <= LONGEST:
        raise ValueError(f"{what} is a time above zero and below a thousand years, not {value}.")
    return value
