"""Where in a run does this code stand? For whoever signs what code does, such as the history of the application's rows."""

from __future__ import annotations

from planar.context import RunPlace
from planar.engine.current import peek_frame
from planar.engine.execution.run import LiveRun
from planar.engine.execution.step import steps_around


def current_place() -> RunPlace | None:
    """The run, and the innermost step in whose body this code is; None outside of a run."""
    frame = peek_frame()
    if frame is None:
        return None
    live: LiveRun = frame.run
    step = next(iter(steps_around(frame)), None)
    if step is None:
        return RunPlace(live.run.id, live.run.workflow)
    return RunPlace(live.run.id, live.run.workflow, step.step_id, step.call.identity.name)
