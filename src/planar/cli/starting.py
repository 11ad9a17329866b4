"""What happens before an app is served? The process is set up, and told what is about to happen."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

from planar.cli.entry import Entry, entry_of
from planar.cli.options import ServeOptions, WorkOptions, apply_serving


def begin(options: ServeOptions | WorkOptions) -> Entry:
    """Set the variables of the process and say what is about to happen. With ``--script`` the file takes over the process.

    Raises:
        CommandFailed: a file that was named does not exist.
    """
    path = apply_serving(options)
    script = isinstance(options, ServeOptions) and options.script
    entry = entry_of(path, Path.cwd())
    print(f"Using script: {path}" if script else f"Using app: {entry.module}:{options.variable}")
    print(f"Starting Planar in {options.environment} mode", flush=True)
    if script:
        _become_script(path)
    return entry


def _become_script(path: Path) -> NoReturn:
    """Run the file with this interpreter in place of this process: its exit code and its signals are its own.

    Imports find the current directory as they do when the file is served.
    """
    places = [os.getcwd(), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(places)
    os.execv(sys.executable, [sys.executable, str(path)])
