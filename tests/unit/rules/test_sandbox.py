"""Do scripts keep to their limits, and does the service go on whatever happens to their processes?"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest

from planar.rules.config import RulesConfig
from planar.rules.errors import RuleCrashed, RuleSandboxBusy, RuleSandboxError, RuleTimeout
from planar.rules.sandbox import process as process_module
from planar.rules.sandbox.pool import ScriptPool

pytestmark = pytest.mark.anyio

ENDLESS = "while (true) {}"
SLOW = "const end = Date.now() + 400; while (Date.now() < end) {}; return {done: true}"


def graphs(body: str) -> dict[str, Any]:
    source = f"import http from 'http'; export const handler = async (input) => {{ {body} }}"
    nodes = [
        {"id": "i", "type": "inputNode", "name": "i", "content": {"schema": ""}, "position": {"x": 0, "y": 0}},
        {"id": "f", "type": "functionNode", "name": "f", "content": {"source": source}, "position": {"x": 0, "y": 0}},
    ]
    return {"main": {"nodes": nodes, "edges": [{"id": "e", "type": "edge", "sourceId": "i", "targetId": "f"}]}}


async def run(pool: ScriptPool, body: str, context: str = "{}") -> dict[str, Any]:
    return await pool.evaluate(body, "main", graphs(body), context)


@pytest.fixture
async def pool() -> AsyncIterator[ScriptPool]:
    made = ScriptPool(RulesConfig(script_processes=1, script_seconds=1, script_memory_mb=512, script_queue=2))
    yield made
    await made.close()


async def test_no_process_runs_before_it_is_needed_nor_after_the_end(pool: ScriptPool) -> None:
    assert pool.pids == []
    assert (await run(pool, "return {a: input.a + 1}", '{"a": 1}'))["value"]["result"] == {"a": 2}
    (pid,) = pool.pids
    await pool.close()
    assert pool.pids == []
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(RuleSandboxError, match="The app stops"):
        await run(pool, "return {}")


async def test_a_script_that_takes_too_long_is_killed_and_its_process_replaced(pool: ScriptPool) -> None:
    await run(pool, "return {}")
    before = pool.pids
    with pytest.raises(RuleTimeout, match="longer than 1 seconds"):
        await run(pool, ENDLESS)
    assert (await run(pool, "return {fine: true}"))["value"]["result"] == {"fine": True}
    assert pool.pids != before


async def test_a_script_cannot_take_all_memory(pool: ScriptPool) -> None:
    answer = await run(pool, "const all = []; while (true) all.push(new Uint8Array(10000000))")
    assert "out of memory" in answer["error"]
    assert (await run(pool, "return {fine: true}"))["value"]["result"] == {"fine": True}


async def test_a_script_that_is_killed_from_outside_runs_once_more(pool: ScriptPool) -> None:
    await run(pool, "return {}")
    (pid,) = pool.pids
    running = asyncio.create_task(run(pool, SLOW))
    await asyncio.sleep(0)
    os.kill(pid, signal.SIGKILL)
    assert (await running)["value"]["result"] == {"done": True}
    assert pool.pids != [pid]


async def test_a_process_that_was_killed_while_idle_is_replaced(pool: ScriptPool) -> None:
    await run(pool, "return {}")
    os.kill(pool.pids[0], signal.SIGKILL)
    assert (await run(pool, "return {a: 1}"))["value"]["result"] == {"a": 1}


async def test_how_a_process_ended_is_never_asked_for_twice(pool: ScriptPool, monkeypatch: pytest.MonkeyPatch) -> None:
    # Process.kill takes the exit code of a process that is dead already, and asyncio then reports 255 for it.
    await run(pool, "return {}")
    killed: list[int] = []
    monkeypatch.setattr(asyncio.subprocess.Process, "kill", lambda process: killed.append(process.pid))
    os.kill(pool.pids[0], signal.SIGKILL)
    assert (await run(pool, "return {a: 1}"))["value"]["result"] == {"a": 1}
    assert killed == []
    monkeypatch.undo()


async def test_a_process_that_closes_its_output_and_lives_on_is_ended(pool: ScriptPool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_module, "END_SECONDS", 0.05)
    await run(pool, "return {}")
    (pid,) = pool.pids
    monkeypatch.setattr(process_module, "MAX_ANSWER", 0)  # as if what it says were no answer: it is alive, and of no use
    with pytest.raises(RuleCrashed):
        await run(pool, "return {a: 1}")
    assert pid not in pool.pids
    monkeypatch.undo()
    assert (await run(pool, "return {a: 1}"))["value"]["result"] == {"a": 1}


async def test_an_answer_that_is_too_large_ends_the_process_and_not_the_service(pool: ScriptPool, monkeypatch: pytest.MonkeyPatch) -> None:
    await run(pool, "return {}")
    monkeypatch.setattr(process_module, "MAX_ANSWER", 1000)
    async with asyncio.timeout(10):
        with pytest.raises(RuleCrashed):
            # More than a pipe and asyncio's buffer hold: nobody reads the rest.
            await run(pool, "return {a: 'x'.repeat(3000000)}")
        assert (await run(pool, "return {a: 1}"))["value"]["result"] == {"a": 1}


async def test_too_many_that_wait_are_refused(pool: ScriptPool) -> None:
    waiting = [asyncio.create_task(run(pool, "return {}")) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(RuleSandboxBusy):
        await run(pool, "return {}")
    await asyncio.gather(*waiting)
    assert "value" in await run(pool, "return {}")


async def test_whoever_gives_up_leaves_no_answer_to_the_next(pool: ScriptPool) -> None:
    await run(pool, "return {}")
    given_up = asyncio.create_task(run(pool, SLOW))
    await asyncio.sleep(0.05)
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    assert (await run(pool, "return {mine: true}"))["value"]["result"] == {"mine": True}


async def test_a_script_reaches_no_network_and_no_secret(pool: ScriptPool, monkeypatch: pytest.MonkeyPatch) -> None:
    served = 0

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served
        served += 1
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    monkeypatch.setenv("DB_PASSWORD", "secret")
    answer = await run(pool, f"const r = await http.get('http://127.0.0.1:{port}/'); return {{r: 1}}")
    assert "error" in answer
    assert served == 0
    (pid,) = pool.pids
    with open(f"/proc/{pid}/environ", "rb") as environment:
        assert b"secret" not in environment.read()
    server.close()
    await server.wait_closed()
