"""How does a command work in an app, without serving it? The app is imported, started without a worker, and stopped."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import TypeVar

from planar.app import PlanarApp
from planar.cli.entry import describe_failure, entry_of, load_app
from planar.cli.errors import CommandFailed
from planar.cli.options import ListOptions, apply_config_options, find_entry_file
from planar.errors import PlanarError

R = TypeVar("R")


def run_in_app(options: ListOptions, work: Callable[[], Awaitable[R]]) -> R:
    """Await *work* in the app that *options* name.

    Raises:
        CommandFailed: there is no such app, or its file cannot be imported.
    """
    apply_config_options(options)
    entry = entry_of(find_entry_file(options.path, Path.cwd()), Path.cwd())
    os.environ["PLANAR_ENTRY_POINT"] = str(entry.path)
    try:
        # What the app's code prints must not come into a file that goes out.
        with redirect_stdout(sys.stderr):
            app = load_app(entry, options.variable)
    except PlanarError:
        raise
    except Exception as error:
        raise CommandFailed(f"{entry.path} cannot be imported.\n{describe_failure(error)}") from error
    if not isinstance(app, PlanarApp):
        raise CommandFailed(f"{options.variable!r} in {entry.path} is of type {type(app).__name__}, not a PlanarApp.")
    return asyncio.run(app.take_role(works=False).run_standalone(work))
