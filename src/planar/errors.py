"""What went wrong, and what to do about it: the root of every error that Planar raises.

The family is drawn where each member lives::

    PlanarError
    ├── configuration   planar.config.errors
    ├── engine          planar.engine.errors
    ├── database        planar.db.errors
    └── ...             <feature>/errors.py

Each class carries a ``code`` (stable, for machines) and a ``status`` (the HTTP status that it becomes in
``planar.routers.problems``, and nowhere else).
"""

from __future__ import annotations

from typing import Any, ClassVar


class PlanarError(Exception):
    """The root. Raised without a message, an error uses the first line of its own docstring."""

    code: ClassVar[str] = "planar_error"
    status: ClassVar[int] = 500

    def __init__(self, message: str | None = None, **details: Any) -> None:
        self.message = message if message is not None else (type(self).__doc__ or type(self).__name__).splitlines()[0]
        self.details = details
        super().__init__(self.message)

    def __str__(self) -> str:
        return self.message


class InternalError(PlanarError):
    """A bug in Planar. Please report it."""

    code = "internal_error"
