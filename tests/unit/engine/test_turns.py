"""Whose turn is it: a record is handed out when the code that got the one before has come to rest, or has had its time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast

import pytest

from planar.engine.core.replay import Journal
from planar.engine.current import Strand
from planar.engine.execution.turns import PATIENCE_IN_TURNS, Turns

pytestmark = pytest.mark.anyio

Code = Callable[[str], Awaitable[object]]


async def play(names: str, code: Code) -> list[str]:
    """What branches called *names* do in turn: each calls one step, performs *code* when its record is handed out, and ends."""
    told: list[str] = []
    turns = Turns(Journal(), idle=lambda: None)

    async def branch(name: str, strand: Strand) -> None:
        turns.leave_code(strand)
        await turns.end()
        turns.handed_out(strand, to_code=True)
        told.append(f"{name} goes on")
        await code(name)
        told.append(f"{name} rests")
        turns.leave_code(strand)
        turns.block()

    task = cast("asyncio.Task[None]", asyncio.current_task())
    parent = Strand(task)
    turns.open(parent, in_code=True)
    strands = [Strand(task) for _ in names]
    for _ in strands:
        turns.begin(in_code=True)
    turns.leave_code(parent)
    turns.block()
    async with asyncio.timeout(5):
        await asyncio.gather(*map(branch, names, strands))
    return told


async def test_each_strand_that_enters_code_has_all_its_patience() -> None:
    """None has only what the one before has left of it."""

    async def take_more_than_half(_: str) -> None:
        for _ in range(PATIENCE_IN_TURNS // 2 + 1):
            await asyncio.sleep(0)

    assert await play("abc", take_more_than_half) == ["a goes on", "a rests", "b goes on", "b rests", "c goes on", "c rests"]


async def test_code_that_waits_for_what_another_does_gets_the_next_handed_out() -> None:
    came = asyncio.Event()

    async def wait_for_last(name: str) -> None:
        came.set() if name == "c" else await came.wait()

    assert await play("abc", wait_for_last) == ["a goes on", "b goes on", "c goes on", "c rests", "a rests", "b rests"]
