"""How long until something happens? Start to first line, event to resumption, from one process to another, and back into a long run."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
import statistics
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from workload import REACHED, increase, note_end_of_history, note_event, note_first_line

from planar.context import current_services
from planar.engine.client import Client
from planar.engine.core.model import Run, StepKind, StepRecord, StepStatus
from planar.engine.store.port import Holder, Release, SaveStep, StartRun
from planar.workflows import emit_event

HISTORY = 10_000
STEPS_READ = re.compile(r"\s*select .* from (planar\.)?workflow_step ", re.DOTALL)


async def first_line() -> float:
    """From a start to the first line of the workflow, worker in the same process; the median, in milliseconds."""
    taken: list[float] = []
    for _ in range(100):
        began = time.perf_counter()
        await note_first_line()
        taken.append(REACHED[-1] - began)
    return statistics.median(taken) * 1000


async def resumption() -> float:
    """From an event to the line after the wait; the median, in milliseconds."""
    taken: list[float] = []
    for _ in range(100):
        key = uuid4().hex
        run = await note_event.start(key)
        await asyncio.sleep(0.01)
        began = time.perf_counter()
        await emit_event(key)
        await note_event.wait_for_completion(run.id)
        taken.append(REACHED[-1] - began)
    return statistics.median(taken) * 1000


async def hand_over(url: str) -> tuple[float, float]:
    """From a start that is durable here to the first line in another process over *url*: median and longest, in milliseconds."""
    client = current_services().get(Client)
    script = Path(__file__).with_name("second_process.py")
    pipes = {"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE}
    other = await asyncio.create_subprocess_exec(sys.executable, str(script), url, **pipes)
    if other.stdin is None or other.stdout is None:
        raise RuntimeError("the other process has no pipes")
    await other.stdout.readline()
    taken: list[float] = []
    for number in range(40):
        # At every phase of the other one's looks.
        await asyncio.sleep(0.05 + number * 0.0013)
        run = Run(uuid4(), "note_in_second_process", "[]", "{}", client.now())
        await client.store.submit(StartRun(run))
        began = time.time()
        ended = await client.ended(run.id)
        taken.append(json.loads(ended.result or "0") - began)
    other.stdin.close()
    await other.wait()
    return statistics.median(taken) * 1000, max(taken) * 1000


async def resume_long_run() -> tuple[float, int]:
    """From the moment at which a run with 10,000 recorded steps is due until its code has passed them: seconds, and reads of steps."""
    client = current_services().get(Client)
    now = client.now()
    run = Run(uuid4(), note_end_of_history.name, f"[{HISTORY}]", "{}", now)
    holder = Holder(run.id, uuid4(), 1)
    await client.store.submit(StartRun(run, holder.worker_id))
    records: list[asyncio.Future[Any]] = []
    for number in range(HISTORY):
        args, kwargs = increase.codec.dump_call((number,), {})
        place = {"path": str(number + 1), "step_id": number + 1, "seq": number + 1}
        name = {"name": increase.identity.name, "qualname": increase.identity.qualname, "kind": StepKind.COMPUTE}
        record = StepRecord(**place, **name, status=StepStatus.SUCCEEDED, args=args, kwargs=kwargs, result=str(number + 1), created_at=now)
        records.append(client.store.submit(SaveStep(holder, record)))
    await asyncio.gather(*records)
    SEEN.clear()
    began = time.perf_counter()
    await client.store.submit(Release(holder))
    await client.ended(run.id)
    return REACHED[-1] - began, sum(bool(STEPS_READ.match(statement)) for statement in SEEN)


async def idle(seconds: float = 10) -> tuple[int, float]:
    """What a process asks the database that has nothing to do: statements but `data_version`, and its CPU time in per cent of a core."""
    # The last work is followed by one more look, a second later on PostgreSQL, and by a beat.
    await asyncio.sleep(4)
    SEEN.clear()
    used = time.process_time()
    await asyncio.sleep(seconds)
    used = time.process_time() - used
    return sum("data_version" not in statement for statement in SEEN), used / seconds * 100


SEEN: list[str] = []
"""The statements of the connections that were opened while traced: here on SQLite, in `postgres_statements` on PostgreSQL."""


@contextmanager
def traced() -> Generator[None]:
    """Note every statement of the SQLite connections that are opened meanwhile."""
    connect = sqlite3.connect

    def listened_to(*args: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(*args, **options)
        connection.set_trace_callback(SEEN.append)
        return connection

    sqlite3.connect = listened_to
    try:
        yield
    finally:
        sqlite3.connect = connect
