"""Relative to what? A path in a settings file is relative to that file, wherever the process was started."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from planar.db.config import database_url

_PLACES = (
    ("db_connections", "*", "path"),
    ("app", "migrations"),
    ("storage", "directory"),
    ("authz", "policy_file"),
    ("logging", "*", "file"),
)
"""The keys that hold paths; ``*`` is any name."""


def anchored(data: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """*data* with its relative paths made absolute, starting from *folder*. ``~`` is the home directory."""
    result = dict(data)
    for place in _PLACES:
        result = _replace(result, place, folder)
    connections = result.get("db_connections")
    if isinstance(connections, dict):
        named = cast("dict[str, Any]", connections)
        result["db_connections"] = {name: _anchored_url(value, folder) for name, value in named.items()}
    return result


def _anchored_url(value: Any, folder: Path) -> Any:
    """A connection given as the URL of a SQLite file, with the file's path made absolute; anything else as it is."""
    if not isinstance(value, str) or not value.startswith("sqlite"):
        return value
    try:
        url = database_url(value)
    except ValueError:
        return value  # validation tells what is wrong with it, and where
    path = url.database or ""
    return url.set(database=str(folder / path)) if _is_file(path) else url


def _replace(data: dict[str, Any], place: tuple[str, ...], folder: Path) -> dict[str, Any]:
    result = dict(data)
    keys = list(data) if place[0] == "*" else [key for key in (place[0],) if key in data]
    for key in keys:
        value = data[key]
        if len(place) > 1 and isinstance(value, dict):
            result[key] = _replace(cast("dict[str, Any]", value), place[1:], folder)
        elif len(place) == 1 and isinstance(value, str) and _is_file(value):
            result[key] = str(folder / Path(value).expanduser())
    return result


def _is_file(value: str) -> bool:
    """SQLite's own names (``:memory:``, ``file:`` URIs) and nothing at all are no paths."""
    return bool(value) and not value.startswith((":", "file:"))
