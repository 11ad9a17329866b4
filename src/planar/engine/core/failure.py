"""How is an error remembered? As the name of its class and what rebuilds it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as the journal keeps it.

    ``path`` is ``module:qualname`` of a class that can be restored, else None; ``args`` are the arguments that rebuild it and
    ``state`` what it carries besides, both as JSON text.
    """

    type: str
    message: str
    path: str | None = None
    args: str | None = None
    notes: tuple[str, ...] = ()
    state: str | None = None
