"""How does a process of `planar prod` or `planar worker` run? On uvloop, with what it has loaded kept out of the collector's sight."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

import uvloop

from planar.cli.memory import keep_what_is_loaded


def run_as_served(main: Coroutine[Any, Any, None]) -> None:
    """Run *main* to its end. Floors run in the same way, and DBOS in the same way in its own process."""
    keep_what_is_loaded()
    uvloop.run(main)
