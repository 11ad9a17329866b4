"""From the function's first line to the end of the pass: call it, then say what the run is now."""

from __future__ import annotations

import asyncio
import sqlite3

from planar.context import actor_var
from planar.db.session import bind_session
from planar.engine.codec import capture_failure, dump_failure
from planar.engine.core.failure import Failure
from planar.engine.core.lifecycle import CancelRequested, Ending, Outcome, Raised, Returned, settle
from planar.engine.core.model import RunStatus
from planar.engine.current import Frame, Strand, bind_frame
from planar.engine.errors import RunDetached
from planar.engine.execution.recording import cancelled_error
from planar.engine.execution.run import LiveRun
from planar.logging import bind_log_fields, get_logger

logger = get_logger(__name__)

BAD_RECORD = (sqlite3.DataError, sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError, OverflowError, ValueError)
"""Errors of the store that blame the record: the same record would be refused again."""


async def drive(live: LiveRun) -> None:
    """Execute *live* until it ends, or this worker lets go of it. Raises nothing."""
    with bind_log_fields(workflow_id=live.id), bind_session(None):
        try:
            ending = settle(RunStatus.RUNNING, await _call(live))
            await live.end(ending)
        except RunDetached:
            if isinstance(live.refused, BAD_RECORD):
                await _fail_bad_record(live, live.refused)
            else:
                _release(live)
        except Exception:
            logger.exception("a run could not be ended; it will be tried again")
            live.parts.host.hand_back(live.holder, later=True)


async def _call(live: LiveRun) -> Outcome:
    """Call the function, and say how it ended.

    Raises:
        RunDetached: this worker lets go of the run, which has not ended.
    """
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("a run needs a task")
    try:
        result = await _run_function(live, task)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # what the code makes of a cancellation, or of being let go, may be of any class
        return _outcome(live, None, error)
    return _outcome(live, result, None)


def _outcome(live: LiveRun, result: str | None, error: BaseException | None) -> Outcome:
    """What the end of the function means: its own end, or that of something that was done to it."""
    asked = live.heard()
    if isinstance(error, RunDetached) and not live.detached:
        raise RunDetached
    if live.detached and (live.leaving or live.refused is not None or asked is None):
        raise RunDetached
    if asked is not None:
        return CancelRequested(cancelled_error(asked.reason))
    if live.diverged is not None:
        logger.error("workflow code does not match its record", workflow=live.run.workflow, error=str(live.diverged))
        return Raised(dump_failure(capture_failure(live.diverged)))
    if error is None:
        return Returned(result or "null")
    if isinstance(error, asyncio.CancelledError):
        if live.let_go() or live.leaving:
            raise RunDetached
        return Raised(dump_failure(Failure("CancelledError", str(error) or "The workflow cancelled itself.")))
    failure = capture_failure(error)
    logger.info("workflow failed", workflow=live.run.workflow, error=failure.type)
    return Raised(dump_failure(failure))


async def _run_function(live: LiveRun, task: asyncio.Task[None]) -> str:
    definition = live.definition
    _bind_actor(live)
    args, kwargs = definition.codec.load_call(live.run.args, live.run.kwargs)
    live.strand = Strand(task)
    with bind_frame(Frame(run=live, strand=live.strand)):
        value = await definition.function(*args, **kwargs)
        live.check_leftover()
    text, _ = definition.codec.roundtrip_result(value)
    return text


def _bind_actor(live: LiveRun) -> None:
    """The run acts as whoever started it. Its task has a context of its own, so nothing needs to be reset."""
    load = live.parts.load_actor
    actor_var.set(load(live.run.principal) if load is not None and live.run.principal is not None else None)


async def _fail_bad_record(live: LiveRun, error: BaseException) -> None:
    """The database refuses what this run wants to write, and would again: the run ends here and says so."""
    text = dump_failure(Failure("RecordRefused", f"The database refused a record of this run: {error}"))
    live.forget_refused()
    ending = Ending(RunStatus.FAILED, None, text)
    try:
        await live.end(ending)
    except RunDetached:
        _release(live)


def _release(live: LiveRun) -> None:
    """Give the run back, unless it sleeps or is somebody else's already."""
    live.detached = True
    if live.parking.is_asleep:
        return  # it is nobody's
    if live.refused is not None:
        logger.error("a run's record could not be written; the run will be tried again", error=repr(live.refused))
    live.parts.host.hand_back(live.holder, later=live.refused is not None)
