"""What the worker processes execute: workflows with everything in them, and a process that does nothing but execute them.

Each body leaves a line in the ledger, a file that no database knows of, and what is written in a transaction stands in a table of
the user's, so that at the end the promises can be compared with what happened.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import text

from planar import PlanarApp, get_session
from planar.clock import SYSTEM_CLOCK
from planar.config import connection_string_config
from planar.db.manager import DatabaseManager
from planar.engine.current import find_frame
from planar.engine.store.postgres import PostgresStore
from planar.workflows import RetryPolicy, gather, step, suspend, wait_for_event, workflow
from planar.workflows.exceptions import StepInterrupted

SLOTS = 8
"""Rows that the runs of all workers write in turn, so that an open transaction of one is in the way of others."""

AGAIN = RetryPolicy(max_retries=-1, initial_delay=timedelta(milliseconds=50), factor=1.0)


class Setup(NamedTuple):
    """How a worker process is to be."""

    url: str
    folder: str
    """Where the ledger, the logs and the signs are."""
    lease_seconds: float = 1.0
    drain_seconds: float = 1.0
    max_concurrent_runs: int = 1000
    pool_size: int = 10


_setup = Setup("", "")
_ledger = -1
_failed: set[int] = set()


def note(kind: str) -> tuple[str, str, int]:
    """A body begins: a line in the ledger. The run, the path of the step, and the epoch."""
    frame = find_frame()
    assert frame is not None
    run, epoch = frame.run.id.hex, frame.run.epoch
    line = {"at": SYSTEM_CLOCK.now().timestamp(), "kind": kind, "run": run, "path": frame.path, "pid": os.getpid(), "epoch": epoch}
    os.write(_ledger, json.dumps(line).encode() + b"\n")
    return run, frame.path, epoch


def stop_here(place: str) -> None:
    """Stop this process, as SIGSTOP does, if somebody asked for that at this *place*: once."""
    try:
        (Path(_setup.folder) / f"stop-{place}").unlink()
    except FileNotFoundError:
        return
    (Path(_setup.folder) / f"stopped-{place}").write_text(str(os.getpid()))
    os.kill(os.getpid(), signal.SIGSTOP)


async def write(number: int) -> None:
    """The effect of a step on the user's tables: exactly once."""
    run, path, epoch = note("transaction")
    connection = await get_session().connection()
    await connection.execute(text("update tally set total = total + 1 where slot = :slot"), {"slot": number % SLOTS})
    effect = {"run": run, "path": path, "pid": os.getpid(), "epoch": epoch}
    await connection.execute(text("insert into effect (run, path, pid, epoch) values (:run, :path, :pid, :epoch)"), effect)


# -- an order: everything -------------------------------------------------------------------------------------------------


@step()
async def reserve(number: int, seconds: float) -> int:
    note("plain")
    await asyncio.sleep(seconds)
    return number + 1


@step(retry=AGAIN)
async def book(number: int) -> int:
    await write(number)
    return number + 2


@step(retry=AGAIN)
async def flaky(number: int) -> int:
    note("plain")
    if number not in _failed:
        _failed.add(number)
        raise RuntimeError("the first time it fails")
    return number + 3


@step()
async def pack(number: int, part: int) -> int:
    note("plain")
    await asyncio.sleep(0.01)
    return number * 10 + part


@step(at_most_once=True)
async def notify(number: int) -> str:
    note("once")
    await asyncio.sleep(0.01)
    return "told"


@workflow()
async def shipping(number: int) -> int:
    return await book(number)


@workflow()
async def order(number: int, seconds: float) -> list[Any]:
    found: list[Any] = [await reserve(number, seconds), await book(number), await flaky(number)]
    await suspend(interval=timedelta(milliseconds=30))
    found += await gather(pack(number, 1), pack(number, 2))
    found.append(await shipping(number))
    try:
        told = await notify(number)
    except StepInterrupted:
        told = "perhaps told"
    paid = await wait_for_event(f"paid:{number}")
    return [*found, paid, await book(number), told.endswith("told")]


def order_result(number: int) -> list[Any]:
    """What `order` returns."""
    return [number + 1, number + 2, number + 3, number * 10 + 1, number * 10 + 2, number + 2, {"amount": number}, number + 2, True]


ORDER_EFFECTS = 3
"""How often one `order` writes, with its child."""


# -- others ---------------------------------------------------------------------------------------------------------------


@workflow()
async def busy(number: int, steps: int) -> int:
    """Many short steps: nearly always between two of them, or soon."""
    total = 0
    for _ in range(steps):
        total += await pack(number, 0)
    return total


@step()
async def linger() -> str:
    note("plain")
    while True:
        if (Path(_setup.folder) / "gate").exists():
            return "through the gate"
        await asyncio.sleep(0.02)


@workflow()
async def lingering() -> str:
    return await linger()


@step(retry=AGAIN)
async def book_and_stop(number: int) -> int:
    await write(number)
    stop_here("transaction")
    return number


@step()
async def stop_in_body(number: int) -> int:
    note("plain")
    stop_here("body")
    return number


@workflow()
async def stopping(number: int) -> int:
    """May be stopped in an open transaction, between two steps, or in a body."""
    total = await book_and_stop(number)
    total += await book(number)
    stop_here("between")
    total += await pack(number, 0)
    return total + await stop_in_body(number)


def stopping_result(number: int) -> int:
    """What `stopping` returns."""
    return number + number + 2 + number * 10 + number


WORKFLOWS = (order, shipping, busy, lingering, stopping)


# -- the process ----------------------------------------------------------------------------------------------------------


def main(setup: Setup, parent: Connection) -> None:
    """Execute runs until SIGTERM, or until the tests are gone."""
    global _setup, _ledger
    _setup = setup
    folder = Path(setup.folder)
    _ledger = os.open(folder / "ledger", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    log = os.open(folder / f"log-{os.getpid()}", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    asyncio.run(_work(setup, parent))


def _end_with(parent: Connection) -> None:
    try:
        parent.recv()
    except EOFError:
        os._exit(1)


async def _work(setup: Setup, parent: Connection) -> None:
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    _stop_between_record_and_commit()
    app = _app(setup)
    async with app._lifespan(app.fastapi):
        parent.send((app.worker.id, app.services.get(DatabaseManager).client_id))
        await stopping.wait()


def _app(setup: Setup) -> PlanarApp:
    config = connection_string_config(setup.url)
    limits = {
        "lease_seconds": setup.lease_seconds,
        "drain_seconds": setup.drain_seconds,
        "max_concurrent_runs": setup.max_concurrent_runs,
    }
    app = PlanarApp(config=config.model_copy(update={"workflows": config.workflows.model_copy(update=limits)}))
    for each in WORKFLOWS:
        app.register_workflow(each)
    return app


def _stop_between_record_and_commit() -> None:
    written = PostgresStore.submit_in

    async def submit_in(*arguments: Any) -> Any:
        outcomes = await written(*arguments)
        stop_here("commit")
        return outcomes

    PostgresStore.submit_in = submit_in
