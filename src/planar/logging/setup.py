"""Where do records go? Handlers are attached once a process, whoever asks and how often.

Only handlers that were attached here are ever replaced or removed. What the program, a test runner or a server has set up stays
as it is, and no logger is disabled.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Final, Literal, TextIO

from planar.logging.formatter import ExtraAttributesFilter, JsonFormatter, StructuredFormatter, wants_colours

if TYPE_CHECKING:
    from planar.logging.config import LoggerConfig

LogFormat = Literal["text", "json"]

FORMAT_VARIABLE: Final = "PLANAR_LOG_FORMAT"

_lock = Lock()
_attached: dict[str, list[logging.Handler]] = {}


class ConsoleHandler(logging.StreamHandler[TextIO]):
    """Writes to what is standard error at that moment, so that a redirection after the start is honoured."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:  # pyright: ignore[reportIncompatibleVariableOverride]  (the base class declares an attribute)
        return sys.stderr


def configure_logging(loggers: Mapping[str, LoggerConfig] | None = None, *, log_format: LogFormat | None = None) -> None:
    """Attach handlers as the settings say. Safe to call again: what an earlier call attached is replaced, never doubled.

    Args:
        loggers: settings by logger name, ``""`` being the root. A logger without a file writes to standard error unless it
            propagates; one with a file writes there, and its parents get the record too if it propagates. A root that is not
            named gets INFO on standard error, unless it already has a handler of somebody else's.
        log_format: ``"text"`` or ``"json"`` (one object a line); None takes it from the environment variable
            ``PLANAR_LOG_FORMAT``, and text if that is not set. Colours only where standard error is a terminal.

    Raises:
        ValueError: the format is unknown.
        OSError: a log file cannot be opened; nothing has been changed then.
    """
    form = _chosen_format(log_format)
    named = dict(loggers or {})
    with _lock:
        prepared = _prepare(named, form)
        for name, handlers in prepared.items():
            _replace(name, handlers)
            logger = logging.getLogger(name or None)
            logger.setLevel(str(named[name].level))
            logger.propagate = named[name].propagate
        if "" not in named:
            _default_root(form)


def reset_logging() -> None:
    """Take away and close every handler that `configure_logging` has attached. For tests; levels stay as they are."""
    with _lock:
        for name in list(_attached):
            _replace(name, [])
            del _attached[name]


def _chosen_format(log_format: str | None) -> LogFormat:
    chosen = log_format or os.environ.get(FORMAT_VARIABLE) or "text"
    if chosen not in ("text", "json"):
        raise ValueError(f"Unknown log format {chosen!r}: set {FORMAT_VARIABLE} to 'text' or 'json'.")
    return chosen


def _prepare(named: Mapping[str, LoggerConfig], form: LogFormat) -> dict[str, list[logging.Handler]]:
    """The new handlers of each logger, all of them or none: a file that cannot be opened leaves everything as it was."""
    prepared: dict[str, list[logging.Handler]] = {}
    try:
        for name, settings in named.items():
            prepared[name] = [_file_handler(name, settings.file, form)] if settings.file else []
            if not settings.file and (not settings.propagate or not name):  # the root has no parent to write for it
                prepared[name].append(_console_handler(form))
    except OSError:
        for handler in [handler for handlers in prepared.values() for handler in handlers]:
            handler.close()
        raise
    return prepared


def _default_root(form: LogFormat) -> None:
    root = logging.getLogger()
    ours = _attached.get("", [])
    if any(handler not in ours for handler in root.handlers):
        return
    _replace("", [_console_handler(form)])
    root.setLevel(logging.INFO)


def _replace(name: str, handlers: list[logging.Handler]) -> None:
    """Make *handlers* the ones of ours at the logger *name*. The new come before the old go, so that no record is lost."""
    logger = logging.getLogger(name or None)
    for handler in handlers:
        logger.addHandler(handler)
    for handler in _attached.get(name, []):
        logger.removeHandler(handler)
        handler.close()
    _attached[name] = handlers


def _console_handler(form: LogFormat) -> logging.Handler:
    return _dressed(ConsoleHandler(), form, wants_colours(sys.stderr))


def _file_handler(name: str, file: str, form: LogFormat) -> logging.Handler:
    path = Path(file)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # A lone surrogate in a value must not cost the record.
        handler = logging.FileHandler(path, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise OSError(error.errno, f"The log file of logger {name or 'root'!r} cannot be opened ({error.strerror})", file) from error
    return _dressed(handler, form, False)


def _dressed(handler: logging.Handler, form: LogFormat, use_colors: bool) -> logging.Handler:
    handler.setFormatter(JsonFormatter() if form == "json" else StructuredFormatter(use_colors))
    handler.addFilter(ExtraAttributesFilter())
    return handler
