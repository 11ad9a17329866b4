"""What can go wrong between a caller and a run, beside what goes wrong in the run itself.

::

    PlanarError
    ├── UnusableSignature   500  a parameter of a workflow cannot be an input (also TypeError)
    ├── ArgumentsRefused    422  arguments that have the right types and still do not fit (also ValueError)
    ├── StepNotFound        404  the run has no such step (also LookupError)
    └── ReservedEventKey    403  events of this key are not for callers to emit
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Final

from planar.errors import PlanarError


class UnusableSignature(PlanarError, TypeError):
    """A parameter of the workflow cannot be an input."""

    code = "unusable_signature"


class ArgumentsRefused(PlanarError, ValueError):
    """Arguments have the right types and still do not fit.

    Attributes:
        problems: for each, where it stands (the parameter first), a word for machines, and a sentence.
    """

    code: ClassVar[str] = "arguments_refused"
    status: ClassVar[int] = 422

    def __init__(self, problems: Sequence[tuple[tuple[str | int, ...], str, str]]) -> None:
        self.problems = tuple(problems)
        super().__init__(" ".join(f"{'.'.join(map(str, place))}: {sentence}" for place, _, sentence in self.problems))

    def entries(self) -> list[dict[str, Any]]:
        """The same as the entries of a validation error of a request's body."""
        return [{"type": word, "loc": ("body", *place), "msg": sentence} for place, word, sentence in self.problems]


class StepNotFound(PlanarError, LookupError):
    """The run has no such step."""

    code = "step_not_found"
    status = 404


class ReservedEventKey(PlanarError):
    """Events of this key are emitted by Planar itself."""

    code = "event_key_reserved"
    status = 403


RESERVED_EVENT_KEYS: Final = ("human_task_completed:",)
"""Beginnings of keys that only Planar itself emits: whoever could forge them could approve what people have to approve."""


def check_not_reserved(event_key: str) -> None:
    """Whether anybody may emit events of that key.

    Raises:
        ReservedEventKey: only Planar itself does.
    """
    if event_key.startswith(RESERVED_EVENT_KEYS):
        raise ReservedEventKey(f"Events whose key begins with {event_key.partition(':')[0]!r} are emitted by Planar itself.")
