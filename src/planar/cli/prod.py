"""How does an app get served in production? In the command's own process, or in several: `planar prod`."""

from __future__ import annotations

from planar.cli.duty import Duty
from planar.cli.listener import open_listener
from planar.cli.options import ServeOptions
from planar.cli.pool import run_processes
from planar.cli.starting import begin


def run_prod(options: ServeOptions) -> int:
    """Serve, without watching anything."""
    duty = Duty(begin(options), options.variable, works=options.works)
    with open_listener(options.host, options.port) as listener:
        return run_processes(duty, listener, options.processes)
