"""How are an app's runs executed where nobody sends requests? By processes that only work: `planar worker`."""

from __future__ import annotations

from planar.cli.duty import Duty
from planar.cli.listener import open_listener
from planar.cli.options import WorkOptions
from planar.cli.pool import run_processes
from planar.cli.starting import begin


def run_worker(options: WorkOptions) -> int:
    """Execute runs until asked to stop. A port is opened only if one for the health was given."""
    duty = Duty(begin(options), options.variable, serves=False, concurrency=options.concurrency)
    if options.health_port is None:
        return run_processes(duty, None, options.processes)
    with open_listener(options.health_host, options.health_port) as listener:
        return run_processes(duty, listener, options.processes)
