"""One at a time: a lock on a name of the user's choice, leased and fenced, in all processes of the app."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta

from planar.context import current_services
from planar.db.session import current_scope
from planar.engine.current import in_run
from planar.workflows.holding import locks_of
from planar.workflows.lock_errors import LockError, LockLost, LockMisplaced, LockResourceFailed
from planar.workflows.models import Workflow
from planar.workflows.tracing import trace

__all__ = ["LockError", "LockLost", "LockMisplaced", "LockResourceFailed", "lock_resource", "lock_workflow"]


@asynccontextmanager
async def lock_resource(
    lock_key: str, lock_duration: timedelta, retry_count: int = 30, retry_interval_seconds: float = 5
) -> AsyncGenerator[int]:
    """Hold the lock *lock_key* while the block runs: nobody else does meanwhile, in any process of the app.

    The lock is a lease, renewed every third of *lock_duration* while the block runs; after a crash it is free when the lease has
    run out. A lease that is lost all the same (the process stood still for too long) cancels the block, which then raises
    `LockLost`. Nothing can stop a block in that very moment, so what must never be changed by a former holder should remember the
    highest number that it has seen and refuse lower ones: each hold of a name has a higher number than all before it.

    For steps, requests and scripts. Take the lock before you write to the database: what a block writes through its session and
    has not committed when it ends is committed together with the release, and only if the lease is still held then. A lease is not
    renewed while its run sleeps.

    Args:
        lock_key: the name.
        lock_duration: how long after its holder's last sign of life the lock is free again.
        retry_count: how many times the caller would try again; 0 tries once.
        retry_interval_seconds: how long it would wait before each; in the same process waiters are served as soon as the lock is
            free, in the order in which they came.

    Yields:
        The number of this hold.

    Raises:
        LockResourceFailed: somebody else held the lock all the time, or this task holds it already.
        LockLost: the lease ended while the block was running.
        LockMisplaced: in a workflow's own code, or in a session that has written.
        ValueError: the name is empty, or a time or number is negative.
    """
    _check_arguments(lock_key, lock_duration, retry_count, retry_interval_seconds)
    _check_place(lock_key)
    hold = await locks_of(current_services()).acquire(lock_key, lock_duration, retry_count, retry_interval_seconds)
    hold.watch()
    try:
        await trace("lock acquired", key=lock_key, number=hold.number)
        yield hold.number
    except BaseException as error:
        await hold.end(failed=True)
        if hold.take_back_cancellation() and isinstance(error, asyncio.CancelledError):
            raise hold.loss() from None
        raise
    await hold.end(failed=False)
    if hold.lost:
        hold.take_back_cancellation()
        raise hold.loss()


def lock_workflow(
    workflow: Workflow,
    lock_duration: timedelta = timedelta(minutes=10),
    retry_count: int = 30,
    retry_interval_seconds: float = 5,
) -> AbstractAsyncContextManager[int]:
    """`lock_resource` for a run, under a name that its id gives.

    The engine needs no such lock: it never executes a run twice at once. This one is for what people do with a run.

    Args:
        workflow: the run.
        lock_duration, retry_count, retry_interval_seconds: as for `lock_resource`.
    """
    return lock_resource(f"workflow-execution:{workflow.id.hex}", lock_duration, retry_count, retry_interval_seconds)


def _check_arguments(key: str, duration: timedelta, retry_count: int, retry_interval_seconds: float) -> None:
    if not key:
        raise ValueError("A lock needs a name that is not empty.")
    if duration <= timedelta(0):
        raise ValueError(f"A lock is held for a time above zero, not for {duration}.")
    if retry_count < 0 or retry_interval_seconds < 0:
        raise ValueError(f"retry_count={retry_count} and retry_interval_seconds={retry_interval_seconds} cannot be negative.")


def _check_place(key: str) -> None:
    scope = current_scope()
    if scope is None and in_run():
        raise LockMisplaced(
            f"The lock '{key}' was asked for in a workflow's own code, which is replayed: it would be taken again for what is long done."
            " Take it in a step, around what it protects."
        )
    if scope is not None and scope.session is not None and scope.session.wrote:
        raise LockMisplaced(
            f"The lock '{key}' was asked for in a session that has written, while others may wait for that session's transaction."
            " Take the lock before the first write, or commit before it."
        )
