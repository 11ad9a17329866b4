"""What does the supervisor want served? Its word to the serving process, as an argument of its command line."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Order:
    """The file with the app, and the numbers of two inherited sockets."""

    path: str
    root: str
    module: str
    variable: str
    listener: int
    lifeline: int

    def to_text(self) -> str:
        """For the command line of the process; it holds nothing secret."""
        return json.dumps(asdict(self))

    @classmethod
    def from_text(cls, text: str) -> Order:
        """The order that `to_text` wrote."""
        return cls(**json.loads(text))
