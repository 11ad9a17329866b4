"""The one workflow of the simulation: it performs a program, and returns what each operation gave."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import fields
from datetime import timedelta
from typing import Any

from planar.engine.core.retry import RetryPolicy
from planar.engine.current import find_frame
from planar.engine.errors import RunAlreadyEnded
from planar.workflows import StepWrapper, cancel, emit_event, gather, race, step, suspend, timeout, wait, wait_for_event, workflow
from planar.workflows import map as map_branches
from tests.scenario.simulation.ledger import Execution
from tests.scenario.simulation.process import current_process
from tests.scenario.simulation.program import POISON, Operation, Program

RETRY_DELAY = timedelta(seconds=0.5)


class Boom(Exception):
    """What a failing body raises."""


@workflow(name="simulated")
async def simulated(program: str) -> list[str]:
    """Perform *program*, the JSON text of a `Program`."""
    return [await perform(operation) for operation in json.loads(program)]


async def perform(operation: Operation) -> str:
    """What one operation gives; the model knows what that must be."""
    name, *arguments = operation
    return await _OPERATIONS[name](*arguments)


# -- bodies -------------------------------------------------------------------------------------------------------------------


async def _body(seconds: float) -> Execution:
    """What every body does: say that it began, take its time, say that it completed."""
    frame = find_frame()
    assert frame is not None
    process = current_process()
    execution = process.world.begin_body(frame.run.id, frame.path, process, frame.run.epoch)
    if seconds:
        await asyncio.sleep(seconds)
    execution.completed = True
    return execution


def _say_called() -> None:
    """Workflow code is about to call a step: when that was stands in no record, and by no clock but the true one."""
    frame = find_frame()
    assert frame is not None
    number = frame.calls + 1
    world = current_process().world
    world.ledger.call(frame.run.id, f"{frame.path}.{number}" if frame.path else str(number), world.loop.time())


@step()
async def compute(seconds: float, value: str) -> str:
    await _body(seconds)
    return value


async def _fail_first(fails: int, seconds: float) -> str:
    execution = await _body(seconds)
    if execution.attempt < fails:
        raise Boom(f"attempt {execution.attempt}")
    return "at last"


async def _perform_nested(program: str, fails: int) -> list[str]:
    frame = find_frame()
    assert frame is not None
    process = current_process()
    execution = process.world.begin_body(frame.run.id, frame.path, process, frame.run.epoch)
    values = [await perform(operation) for operation in json.loads(program)]
    execution.completed = True
    if execution.attempt < fails:
        raise Boom(f"attempt {execution.attempt}")
    return values


def _with_retries(function: Callable[..., Any], retries: int) -> StepWrapper[..., Any]:
    wrapper = step(max_retries=retries)(function)
    if retries:
        wrapper.retry = _policy(retries)
    return wrapper


def _policy(retries: int) -> RetryPolicy:
    known = {field.name for field in fields(RetryPolicy)}
    wanted = {"delay": RETRY_DELAY, "initial_delay": RETRY_DELAY, "factor": 1.0, "jitter": 0.0}
    return RetryPolicy(max_retries=retries, **{name: value for name, value in wanted.items() if name in known})


@wait(poll_interval=0.3, max_wait_time=-1)
async def asked_often_enough(yes_at: int) -> bool:
    frame = find_frame()
    assert frame is not None
    process = current_process()
    execution = process.world.begin_body(frame.run.id, frame.path, process, frame.run.epoch)
    return execution.attempt + 1 >= yes_at


_FLAKY = [_with_retries(_fail_first, retries) for retries in range(3)]
_NESTED = [_with_retries(_perform_nested, retries) for retries in range(3)]


# -- operations ---------------------------------------------------------------------------------------------------------------


async def _step(seconds: float, value: str) -> str:
    return await compute(seconds, value)


async def _flaky(fails: int, retries: int, seconds: float, caught: bool) -> str:
    return await _caught(_FLAKY[retries](fails, seconds), caught)


async def _nested(program: Program, fails: int, retries: int, caught: bool) -> str:
    return await _caught(_NESTED[retries](json.dumps(program), fails), caught)


async def _suspend(seconds: float) -> str:
    _say_called()
    await suspend(interval=timedelta(seconds=seconds))
    return "slept"


async def _event(key: str, seconds: float) -> str:
    try:
        return str(await wait_for_event(key, seconds))
    except TimeoutError:
        return "nothing came"


async def _emit(key: str, payload: int) -> str:
    await emit_event(key, payload)
    return "emitted"


async def _child(program: Program, caught: bool) -> str:
    return await _caught(simulated(json.dumps(program)), caught)


async def _start(program: Program, caught: bool) -> str:
    run_id = await simulated.start_step(json.dumps(program))
    return await _caught(simulated.wait_for_completion(run_id), caught)


async def _cleanup(program: Program, seconds: float, value: str) -> str:
    values: list[str] = []
    try:
        values += [await perform(operation) for operation in program]
    finally:
        values.append(await compute(seconds, value))
    return "+".join(values)


async def _timeout(limit: float, seconds: float) -> str:
    try:
        async with asyncio.timeout(limit):
            return await compute(seconds, "in time")
    except TimeoutError:
        return "too late"


async def _stop_child(program: Program) -> str:
    run_id = await simulated.start_step(json.dumps(program))
    with suppress(RunAlreadyEnded):
        await cancel(run_id, "not needed")
    try:
        await simulated.wait_for_completion(run_id)
    except Exception as error:
        return type(error).__name__
    return "was quicker"


async def _poll(yes_at: int) -> str:
    await asked_often_enough(yes_at)
    return "yes"


async def _all_of(program: Program) -> str:
    return "+".join([await perform(operation) for operation in program])


async def _gather(programs: list[Program], keep_going: bool) -> str:
    calls = [_all_of(program) for program in programs]
    if keep_going:
        outcomes = await gather(*calls, return_exceptions=True)
        return "|".join(each if isinstance(each, str) else type(each).__name__ for each in outcomes)
    try:
        return "|".join(await gather(*calls))
    except Exception as error:
        return f"caught {type(error).__name__}"


async def _map(durations: list[float], limit: int) -> str:
    return "|".join(await map_branches(lambda seconds: compute(seconds, str(seconds)), durations, limit=limit))


async def _race(programs: list[Program]) -> str:
    return await _caught(race(*[_all_of(program) for program in programs]), True)


async def _limit(program: Program, seconds: float) -> str:
    return await _caught(timeout(_all_of(program), seconds), True)


async def _poison() -> str:
    return await compute(0.0, POISON)


async def _caught(outcome: Awaitable[Any], caught: bool) -> str:
    try:
        value = await outcome
    except Exception as error:
        if not caught:
            raise
        return f"caught {type(error).__name__}"
    return value if isinstance(value, str) else "+".join(value)


_OPERATIONS: dict[str, Callable[..., Awaitable[str]]] = {
    "step": _step,
    "flaky": _flaky,
    "nested": _nested,
    "suspend": _suspend,
    "event": _event,
    "emit": _emit,
    "child": _child,
    "start": _start,
    "cleanup": _cleanup,
    "timeout": _timeout,
    "stop_child": _stop_child,
    "poll": _poll,
    "gather": _gather,
    "map": _map,
    "race": _race,
    "limit": _limit,
    "poison": _poison,
}
