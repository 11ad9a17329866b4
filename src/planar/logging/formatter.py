"""How does a record look? A line for people (`StructuredFormatter`) or a line of JSON for machines (`JsonFormatter`).

Both keep a record on one line whatever its message holds, so that no value can pretend to be a record of its own; only the
traceback of the form for people follows on lines of its own, indented.
"""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, cast

from planar.logging.context import get_context_metadata
from planar.logging.fields import mask_secrets, one_line, plain_fields
from planar.logging.logger import FIELDS_ATTRIBUTE, RECORD_ATTRIBUTES

_RESET = "\x1b[0m"
_GREY = "\x1b[90m"
_LEVEL_COLOURS = {
    logging.DEBUG: "\x1b[34m",
    logging.INFO: "\x1b[32m",
    logging.WARNING: "\x1b[33m",
    logging.ERROR: "\x1b[31m",
    logging.CRITICAL: "\x1b[1;31m",
}
_VALUE_COLOURS = {"string": "\x1b[32m", "number": "\x1b[36m", "word": "\x1b[35m"}
_JSON_TOKEN = re.compile(r'(?P<string>"(?:[^"\\]|\\.)*")|(?P<number>-?\d[\d.eE+-]*)|(?P<word>\b(?:true|false|null)\b)')

_JSON_KEYS = frozenset({"timestamp", "level", "logger", "message", "location", "exception"})
# A colourful copy of the message, which uvicorn attaches to its records.
_FOREIGN_NOISE = frozenset({"color_message"})
# JSON leaves these as they are, and many readers take them for the end of a line.
_LINE_SEPARATORS = {0x85: "\\u0085", 0x2028: "\\u2028", 0x2029: "\\u2029"}


class ExtraAttributesFilter(logging.Filter):
    """Completes the fields of every record that passes a handler: those of the current task, and the process id.

    For records of loggers that are not ours (uvicorn, SQLAlchemy, ...), whose fields nobody has gathered yet. It lets every
    record pass.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        fields = record_fields(record)
        if "pid" not in fields:
            fields = {"pid": record.process, **fields}
        setattr(record, FIELDS_ATTRIBUTE, fields)
        return True


def record_fields(record: logging.LogRecord) -> dict[str, Any]:
    """The fields of *record* in JSON types, redacted: as gathered by our logger, else what stands on the record itself."""
    known = getattr(record, FIELDS_ATTRIBUTE, None)
    if known is not None:
        return cast("dict[str, Any]", known)
    own = {name: value for name, value in vars(record).items() if name not in RECORD_ATTRIBUTES and name not in _FOREIGN_NOISE}
    return plain_fields({**get_context_metadata(), **own})


class StructuredFormatter(logging.Formatter):
    """``INFO:     message [logger] [key=json,key=json]``, then the traceback.

    Args:
        use_colors: whether to colour level, logger and values with ANSI sequences; for a terminal only.
    """

    def __init__(self, use_colors: bool = False) -> None:
        super().__init__()
        self.use_colors = use_colors

    def format(self, record: logging.LogRecord) -> str:
        parts = [self._level(record), one_line(mask_secrets(message_of(record))), self._paint(_GREY, f" [{one_line(record.name)}]")]
        fields = record_fields(record)
        if fields:
            parts.append(f" [{','.join(self._field(name, value) for name, value in fields.items())}]")
        trace = traceback_of(self, record)
        if trace:
            parts.append("".join(f"\n    {one_line(line)}" for line in trace.split("\n")))
        return "".join(parts)

    def _level(self, record: logging.LogRecord) -> str:
        name = f"{one_line(record.levelname)}:"
        padding = " " * (10 - len(name)) if len(name) < 10 else " "
        return self._paint(_LEVEL_COLOURS.get(record.levelno, ""), name) + padding

    def _field(self, name: str, value: Any) -> str:
        text = one_line(_to_json(value))
        if self.use_colors:
            text = _JSON_TOKEN.sub(_highlight, text)
        return f"{one_line(name)}={text}"

    def _paint(self, colour: str, text: str) -> str:
        return f"{colour}{text}{_RESET}" if self.use_colors and colour else text


class JsonFormatter(logging.Formatter):
    """One JSON object a line: timestamp (UTC), level, logger, message, location, the fields, and ``exception`` if there is one.

    A field that is named like one of those keys gets an underscore at its end.
    """

    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "message": mask_secrets(message_of(record)),
            "location": f"{record.module}:{record.lineno}",
        }
        for name, value in record_fields(record).items():
            entry[f"{name}_" if name in _JSON_KEYS else name] = value
        trace = traceback_of(self, record)
        if trace:
            entry["exception"] = trace
        return _to_json(entry).translate(_LINE_SEPARATORS)


def message_of(record: logging.LogRecord) -> str:
    """The record's message; where a foreign logger's arguments do not fit its text, the text and the arguments."""
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):
        return f"{record.msg} {record.args!r}"


def traceback_of(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    """The traceback and the stack that *record* carries, as text without secrets in URLs; empty if it carries none."""
    parts: list[str] = []
    if record.exc_info and record.exc_info[0] is not None:
        parts.append(formatter.formatException(record.exc_info))
    elif record.exc_text:
        parts.append(record.exc_text)
    if record.stack_info:
        parts.append(formatter.formatStack(record.stack_info))
    return mask_secrets("\n".join(parts))


def wants_colours(stream: object, environment: Mapping[str, str] = os.environ) -> bool:
    """Whether *stream* is a terminal whose user has not asked for plain text (``NO_COLOR``, ``TERM=dumb``)."""
    if environment.get("NO_COLOR") or environment.get("TERM") == "dumb":
        return False
    is_a_terminal = getattr(stream, "isatty", None)
    try:
        return bool(is_a_terminal and is_a_terminal())
    except ValueError:  # a closed stream
        return False


def _to_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _highlight(match: re.Match[str]) -> str:
    return f"{_VALUE_COLOURS[match.lastgroup or 'string']}{match.group()}{_RESET}"
