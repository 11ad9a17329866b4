"""From the function's first line to the end of the pass: call it, then say what the run is now."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import ExitStack

from planar.context import actor_var
from planar.db.session import bind_session
from planar.engine.codec import capture_failure, dump_failure
from planar.engine.core.failure import Failure
from planar.engine.core.lifecycle import CancelRequested, Ending, Outcome, Raised, Returned, settle
from planar.engine.core.model import RunStatus
from planar.engine.current import Frame, bind_frame
from planar.engine.errors import RunDetached, StaleEpoch
from planar.engine.events import NoticeKind
from planar.engine.execution.run import LiveRun
from planar.engine.store.port import EndRun, Release
from planar.logging import bind_log_fields, get_logger

logger = get_logger(__name__)

_NOTICES = {
    RunStatus.SUCCEEDED: NoticeKind.WORKFLOW_SUCCEEDED,
    RunStatus.FAILED: NoticeKind.WORKFLOW_FAILED,
    RunStatus.CANCELLED: NoticeKind.WORKFLOW_CANCELLED,
}

BAD_RECORD = (sqlite3.DataError, sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError, OverflowError, ValueError)
"""Errors of the store that blame the record: the same record would be refused again."""


def cancelled_error(reason: str) -> str:
    """How the end by a request is kept."""
    return dump_failure(Failure("RunCancelled", reason))


async def drive(live: LiveRun) -> None:
    """Execute *live* until it ends, or this worker lets go of it. Raises nothing."""
    with ExitStack() as bound:
        bound.enter_context(bind_log_fields(workflow_id=live.id))
        _bind_actor(live)
        bound.enter_context(bind_session(None))
        try:
            outcome = await _call(live)
            await live.durable()
            ending = settle(RunStatus.RUNNING, outcome)
            await live.commit(EndRun(live.holder, ending.status, ending.result, ending.error))
        except (RunDetached, asyncio.CancelledError):
            if isinstance(live.refused, BAD_RECORD):
                await _fail_bad_record(live, live.refused)
            else:
                await _release(live)
        except Exception:
            logger.exception("a run's record could not be written; the run will be tried again")
            await _release(live)
        else:
            _tell(live, ending)


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
    except RunDetached:
        if live.leaving or live.refused is not None or (live.diverged is None and live.cancellation is None):
            raise
        result = None
    except asyncio.CancelledError as error:
        if live.cancellation is None:
            if live.detached or live.leaving:
                raise RunDetached from None
            return Raised(dump_failure(Failure("CancelledError", str(error) or "The workflow cancelled itself.")))
        result = None
    except Exception as error:
        if live.diverged is None and live.cancellation is None:
            failure = capture_failure(error)
            logger.info("workflow failed", workflow=live.run.workflow, error=failure.type)
            return Raised(dump_failure(failure))
        result = None
    if live.cancellation is not None and live.cancellation.delivered:
        return CancelRequested(cancelled_error(live.cancellation.reason))
    if live.detached:
        raise RunDetached
    if live.diverged is not None:
        logger.error("workflow code does not match its record", workflow=live.run.workflow, error=str(live.diverged))
        return Raised(dump_failure(capture_failure(live.diverged)))
    return Returned(result or "null")


async def _run_function(live: LiveRun, task: asyncio.Task[None]) -> str:
    definition = live.definition
    args, kwargs = definition.codec.load_call(live.run.args, live.run.kwargs)
    with bind_frame(Frame(run=live, task=task)):
        value = await definition.function(*args, **kwargs)
        live.check_leftover()
    text, _ = definition.codec.roundtrip_result(value)
    return text


def _bind_actor(live: LiveRun) -> None:
    """The run acts as whoever started it. Its task has a context of its own, so nothing needs to be reset."""
    load = live.parts.load_actor
    actor_var.set(load(live.run.principal) if load is not None and live.run.principal is not None else None)


async def _fail_bad_record(live: LiveRun, error: Exception) -> None:
    """The database refuses what this run wants to write, and would again: the run ends here and says so."""
    text = dump_failure(Failure("RecordRefused", f"The database refused a record of this run: {error}"))
    try:
        await live.commit(EndRun(live.holder, RunStatus.FAILED, None, text))
    except RunDetached:
        return
    except Exception:
        logger.exception("a run could not be ended")
        await _release(live)
    else:
        _tell(live, Ending(RunStatus.FAILED, None, text))


async def _release(live: LiveRun) -> None:
    """Give the run back, unless it sleeps or is somebody else's already."""
    live.detached = True
    try:
        await asyncio.shield(live.parts.store.submit(Release(live.holder)))
    except (StaleEpoch, asyncio.CancelledError):
        return
    except Exception:
        logger.exception("a run could not be released; it is found again when this worker has stopped")


def _tell(live: LiveRun, ending: Ending) -> None:
    live.parts.notices.publish(_NOTICES[ending.status], live.run)
