"""Several processes, of which none is real."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from planar.cli import pool
from planar.cli.duty import Duty
from planar.cli.entry import Entry
from planar.cli.pool import ServerPool
from planar.cli.restarts import LIMIT, LONGEST_PAUSE, SHORT_SECONDS, Restarts

pytestmark = pytest.mark.anyio

DUTY = Duty(Entry(Path("main.py"), Path(), "main"), "app")


def test_a_process_that_died_is_replaced_at_once_then_later_and_later_and_in_the_end_not_at_all() -> None:
    restarts = Restarts()
    assert [restarts.pause_after(1) for _ in range(LIMIT)] == [0, 1, 2, 4, 8, None]
    assert LONGEST_PAUSE >= 8


def test_a_process_that_served_for_long_begins_a_new_count() -> None:
    restarts = Restarts()
    for _ in range(3):
        restarts.pause_after(0)
    assert restarts.pause_after(SHORT_SECONDS) == 0
    assert [restarts.pause_after(1) for _ in range(LIMIT)][-1] is None


class Process:
    """A process that serves, or not, and dies at once, or when it is stopped."""

    def __init__(self, number: int, serves: bool, code: int | None) -> None:
        self.pid, self.ready_line = number, "Planar is ready: http://h"
        self.served = asyncio.Event()
        if serves:
            self.served.set()
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        if code is not None:
            self.ended.set_result(code)
        self.stopped = False

    async def stop(self) -> None:
        self.stopped = True


class Started:
    """Stands for `ServerProcess`: hands out processes as *lives* says, the last of them again and again."""

    def __init__(self, *lives: tuple[bool, int | None]) -> None:
        self.lives = list(lives)
        self.processes: list[Process] = []

    async def start(self, *_: object, **__: object) -> Process:
        serves, code = self.lives.pop(0) if len(self.lives) > 1 else self.lives[0]
        self.processes.append(Process(len(self.processes), serves, code))
        return self.processes[-1]


@pytest.fixture
def lived(monkeypatch: pytest.MonkeyPatch) -> Started:
    started = Started((True, None))
    monkeypatch.setattr(pool, "ServerProcess", started)
    monkeypatch.setattr("planar.cli.restarts.FIRST_PAUSE", 0.0)
    return started


async def run(count: int) -> int:
    async with asyncio.timeout(10):
        return await ServerPool(DUTY, None, count).run()


async def test_processes_that_die_again_and_again_end_the_command_and_stop_the_others(
    lived: Started, capsys: pytest.CaptureFixture[str]
) -> None:
    lived.lives = [(True, None), (True, 3)]
    assert await run(2) == 1
    assert len(lived.processes) == 1 + LIMIT
    assert lived.processes[0].stopped
    told = capsys.readouterr()
    assert f"Gave up: {LIMIT} processes in a row ended soon after their start (the last: exit code 3)." in told.err
    assert told.err.count("Another one starts") == LIMIT - 1
    assert told.out.splitlines() == ["Planar is ready: http://h", "All 2 processes are ready."]


@pytest.mark.parametrize(("code", "exit_code"), [(7, 7), (-9, 1), (0, 1)])
async def test_a_first_process_that_never_served_ends_the_command_before_the_others_begin(
    code: int, exit_code: int, lived: Started
) -> None:
    lived.lives = [(False, code)]
    assert await run(3) == exit_code
    assert len(lived.processes) == 1
