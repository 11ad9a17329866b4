"""How does the file with the app become a module, and the app an object?

The current directory is the first place that imports are looked for, so ``app/main.py`` is the module ``app.main`` and may
import ``app.flows``. The file's own folder is the last place, so ``import flows`` works as well and a file there called
``types.py`` hides nothing. A file outside the current directory is a module of its own folder.
"""

from __future__ import annotations

import os
import re
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any, TypeAlias, cast

from planar.cli.errors import CommandFailed
from planar.errors import PlanarError

ASGIApp: TypeAlias = Callable[..., Any]
"""An ASGI application. It may have ``graceful_shutdown()``, called before connections are drained."""

_IMPORTING = re.compile(r"^<frozen importlib|[/\\]importlib[/\\](__init__|util)\.py$")
"""Files of the machinery of imports."""


@dataclass(frozen=True)
class Entry:
    """The file with the app, and the module that it becomes."""

    path: Path
    root: Path
    """Where imports start."""
    module: str


def entry_of(path: Path, folder: Path) -> Entry:
    """The module that the file *path* is for a process started in *folder*; both absolute."""
    if path.is_relative_to(folder):
        parts = path.relative_to(folder).with_suffix("").parts
        if all(part.isidentifier() for part in parts):
            return Entry(path, folder, ".".join(parts))
    return Entry(path, path.parent, path.stem)


def load_app(entry: Entry, variable: str) -> ASGIApp:
    """Import the file of *entry* and return its variable *variable*.

    Raises:
        CommandFailed: the file has no such variable, or it is no application.
        Exception: whatever the file itself raises.
    """
    if str(entry.root) not in sys.path:
        sys.path.insert(0, str(entry.root))
    if str(entry.path.parent) not in sys.path:
        sys.path.append(str(entry.path.parent))
    module = _import(entry)
    found: object = getattr(module, variable, None)
    if found is None:
        others = [name for name, value in vars(module).items() if _is_app(value)]
        hint = f" It has: {', '.join(others)}; name one with --app." if others else ""
        raise CommandFailed(f"{entry.path} has no variable {variable!r} that holds an app.{hint}")
    if not callable(found) or isinstance(found, type):
        raise CommandFailed(f"{variable!r} in {entry.path} is of type {type(found).__name__}, not an ASGI application.")
    return cast("ASGIApp", found)


def _import(entry: Entry) -> ModuleType:
    """By name if the name leads to this very file, else by its path: an installed package may have the same name."""
    # Importing the packages above it may fail in the user's own code; a missing one is only another way to load the file.
    try:
        spec = find_spec(entry.module)
    except ModuleNotFoundError as error:
        if not entry.module.startswith(f"{error.name}."):
            raise
        spec = None
    if spec is not None and spec.origin is not None and os.path.exists(spec.origin) and os.path.samefile(spec.origin, entry.path):
        return import_module(entry.module)
    spec = spec_from_file_location(entry.path.stem, entry.path)
    if spec is None or spec.loader is None:
        raise CommandFailed(f"{entry.path} is not a Python file.")
    module = module_from_spec(spec)
    sys.modules[entry.path.stem] = module
    spec.loader.exec_module(module)
    return module


def _is_app(value: object) -> bool:
    """Whether *value* looks like an application object: only for the hint, so only what is certain."""
    return not isinstance(value, type) and {"PlanarApp", "FastAPI", "Starlette"} & {base.__name__ for base in type(value).__mro__} != set()


def describe_failure(error: BaseException) -> str:
    """What to print when importing the user's file failed: their own frames of the traceback, none of ours.

    Settings that cannot be used are told by their message: a traceback would add nothing.
    """
    if isinstance(error, PlanarError) and error.code in ("invalid_configuration", "unsupported_feature", "command_failed"):
        return f"Error: {error}\n"
    return "".join(traceback.format_exception(type(error), error, _from_user(error.__traceback__)))


def _from_user(trace: TracebackType | None) -> TracebackType | None:
    """The part of *trace* below this module and below the machinery of imports, which Python hides only in part."""
    found = trace
    while trace is not None:
        file = trace.tb_frame.f_code.co_filename
        if file == __file__:
            found = trace.tb_next
        trace = trace.tb_next
    while found is not None and _IMPORTING.search(found.tb_frame.f_code.co_filename):
        found = found.tb_next
    return found
