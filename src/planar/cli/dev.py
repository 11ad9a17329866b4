"""How does a developer's app get served? By servers that are replaced when the source changes: `planar dev`."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from planar.cli.duty import Duty
from planar.cli.errors import CommandFailed
from planar.cli.listener import open_listener
from planar.cli.options import ServeOptions
from planar.cli.starting import begin
from planar.cli.supervisor import Supervisor
from planar.cli.watching import Sources


def run_dev(options: ServeOptions) -> int:
    """Serve, and serve again whenever a source file changes."""
    entry = begin(options)
    if os.name != "posix":
        raise CommandFailed("`planar dev` needs Linux or macOS; on Windows use it in WSL, or use `planar prod`.")
    config = os.environ.get("PLANAR_CONFIG")
    sources = Sources(entry.path, Path.cwd(), Path(config).absolute() if config else None)
    with open_listener(options.host, options.port) as listener:
        return asyncio.run(Supervisor(Duty(entry, options.variable), listener, sources).run())
