"""How does an app get served in production? In the command's own process: `planar prod`."""

from __future__ import annotations

from planar.cli.listener import open_listener
from planar.cli.options import ServeOptions
from planar.cli.server import serve
from planar.cli.starting import begin


def run_prod(options: ServeOptions) -> int:
    """Serve in this process, without watching anything."""
    entry = begin(options)
    with open_listener(options.host, options.port) as listener:
        return serve(entry, options.variable, listener)
