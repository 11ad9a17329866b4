"""How does code say what happened? A short lower-case sentence, and what it is about as keyword arguments.

``get_logger(__name__).info("run resumed", run_id=run.id)``. The standard library's loggers lie underneath, so levels, handlers
and every tool that knows `logging` work unchanged.

Inputs, results and other payloads belong at DEBUG; INFO and above name things by their ids. An outcome that the code expects
(a wrong request, a lock held by another) is said at INFO or WARNING, without a traceback.
"""

from __future__ import annotations

import logging
from functools import cache
from typing import Any, TypeAlias

from planar.logging.context import get_context_metadata
from planar.logging.fields import plain_fields

FIELDS_ATTRIBUTE = "planar_fields"
"""Where a record keeps its fields under the names that they were given."""

ErrorInfo: TypeAlias = bool | BaseException
"""What ``exc_info`` may be: True for the error that is being handled, or an error."""

RECORD_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", FIELDS_ATTRIBUTE}

# From the caller to `Logger.log`: one of the methods below, and `_log`.
_STACK_LEVEL = 3


class PlanarLogger:
    """A logger whose keyword arguments become fields of the record.

    Every method takes the message, shown as it is (``%`` means nothing), and fields of any type and name. Values of fields that
    look secret (``password``, ``api_key``, pydantic's ``SecretStr``, ...) never reach a handler.
    """

    __slots__ = ("_logger",)

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    @property
    def name(self) -> str:
        """The name in the tree of the standard library's loggers."""
        return self._logger.name

    @property
    def handlers(self) -> list[logging.Handler]:
        """The handlers attached to this very logger."""
        return self._logger.handlers

    def debug(self, msg: str, /, exc_info: ErrorInfo | None = None, **fields: Any) -> None:
        """Say what only somebody who looks for a fault wants to read; the one level for payloads."""
        self._log(logging.DEBUG, msg, exc_info, fields)

    def info(self, msg: str, /, exc_info: ErrorInfo | None = None, **fields: Any) -> None:
        """Say that something worth knowing happened as it should."""
        self._log(logging.INFO, msg, exc_info, fields)

    def warning(self, msg: str, /, exc_info: ErrorInfo | None = None, **fields: Any) -> None:
        """Say that something happened that somebody should look at when there is time."""
        self._log(logging.WARNING, msg, exc_info, fields)

    def error(self, msg: str, /, exc_info: ErrorInfo | None = None, **fields: Any) -> None:
        """Say that something failed."""
        self._log(logging.ERROR, msg, exc_info, fields)

    def critical(self, msg: str, /, exc_info: ErrorInfo | None = None, **fields: Any) -> None:
        """Say that the process cannot do its work."""
        self._log(logging.CRITICAL, msg, exc_info, fields)

    def exception(self, msg: str, /, exc_info: ErrorInfo = True, **fields: Any) -> None:
        """Say that something failed, with the traceback of the error that is being handled. For what nobody expected."""
        self._log(logging.ERROR, msg, exc_info, fields)

    def isDebugEnabled(self) -> bool:  # noqa: N802  (the name that users know)
        """Whether DEBUG records are written, so that a costly field need not be built for nothing."""
        return self._logger.isEnabledFor(logging.DEBUG)

    def setLevel(self, level: int | str) -> None:  # noqa: N802  (the standard library's name)
        """Write records of *level* (a number or a name such as ``"INFO"``) and above."""
        self._logger.setLevel(level)

    def _log(self, level: int, msg: str, exc_info: ErrorInfo | None, fields: dict[str, Any]) -> None:
        if not self._logger.isEnabledFor(level):
            return
        shown = plain_fields({**get_context_metadata(), **fields})
        self._logger.log(level, msg, exc_info=exc_info, extra=_attributes(shown), stacklevel=_STACK_LEVEL)


def _attributes(fields: dict[str, Any]) -> dict[str, Any]:
    """The record's additional attributes: the mapping for our formatters, and each field by name for everybody else's.

    A field that is named like an attribute which every record has keeps its name in the mapping and gets an underscore outside.
    """
    flat = {f"{name}_" if name in RECORD_ATTRIBUTES else name: value for name, value in fields.items()}
    return {**flat, FIELDS_ATTRIBUTE: fields}


@cache
def get_logger(name: str) -> PlanarLogger:
    """The logger called *name* (``__name__`` of the module that uses it); the same object every time."""
    return PlanarLogger(logging.getLogger(name))
