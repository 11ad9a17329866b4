"""What does the supervisor want done? Its word to a process that it starts, as an argument of its command line."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from planar.cli.duty import Duty
from planar.cli.entry import Entry


@dataclass(frozen=True)
class Order:
    """What to do, and the numbers of inherited sockets."""

    duty: Duty
    listener: int | None
    lifeline: int
    announces: bool
    """Whether the process prints that it is ready; else its supervisor does."""

    def to_text(self) -> str:
        """For the command line of the process; it holds nothing secret."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_text(cls, text: str) -> Order:
        """The order that `to_text` wrote."""
        given = json.loads(text)
        duty = given.pop("duty")
        entry = duty.pop("entry")
        return cls(Duty(Entry(Path(entry["path"]), Path(entry["root"]), entry["module"]), **duty), **given)
