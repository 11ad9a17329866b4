"""Play one seed, and say what became of it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch
from uuid import UUID

import planar.clock
from tests.scenario.simulation.loop import OWNER, Stuck, without_collector
from tests.scenario.simulation.process import Process, current_process
from tests.scenario.simulation.world import World


@dataclass(frozen=True)
class Played:
    """What one seed came to."""

    seed: int
    violation: str | None
    events: int
    seconds: float
    """Of virtual time."""
    fingerprint: float
    """Equal for two executions of one seed, if every choice in them was the same."""
    figures: Counter[str]
    trace: list[str]


def play(seed: int, *, traced: bool = False) -> Played:
    """Play *seed*; to be called in `simulated_surroundings`. With *traced* it says what happened, line by line."""
    return without_collector(lambda: _play(World(seed, traced=traced)))


def play_program(program: str, seed: int = 0) -> Played:
    """Perform *program*, the JSON text of one, in one process that lets go of the run at each wait; *seed* says how long things take."""
    return without_collector(lambda: _play(World(seed, traced=True, only=program)))


def _play(world: World) -> Played:
    loop = world.loop
    loop.before_jump = world.watch.look
    loop.set_exception_handler(lambda _, context: world.fail(f"the event loop reports: {context}"))
    _LOG.world = world
    try:
        loop.run_until_complete(world.direct())
    except Stuck:
        world.fail("nothing is ready, and nothing ever will be")
    except RuntimeError:
        if world.violation is None and world.mistake is None:
            raise
    finally:
        _LOG.world = None
        loop.unwind()
        loop.close()
    if world.mistake is not None:
        raise world.mistake
    figures = world.figures + Counter(seeds=1, events=loop.events)
    return Played(world.seed, world.violation, loop.events, loop.time(), world.schedule.random(), figures, world.trace or [])


class _EngineLog(logging.Handler):
    """What the engine logs as an error is one: nothing in a simulation is beyond what it must expect."""

    world: World | None = None
    counts = True

    def emit(self, record: logging.LogRecord) -> None:
        if self.world is None or not self.counts:
            return
        message = record.getMessage()
        expected = _EXPECTED + (_EXPECTED_IN_AN_OUTAGE if self.world.figures["outage"] else ())
        if not any(each in message for each in expected):
            detail = record.exc_info[1] if record.exc_info else getattr(record, "planar_fields", "")
            self.world.fail(f"the engine logged an error: {message}: {detail!r}")


_EXPECTED = ("a cancelled run does not let itself be ended",)
_EXPECTED_IN_AN_OUTAGE = (
    "looking for due runs failed",
    "could not look whether runs have ended",
    "could not look for what a branch waits for",
    "could not look who wants the end of a run",
    "a run's record could not be written",
    "a run could not be handed back",
    "a run could not be ended",
)
_LOG = _EngineLog()


class _HostClock:
    """The clock of whichever host asks."""

    def now(self) -> Any:
        return _clock().now()

    def monotonic(self) -> float:
        return _clock().monotonic()


def _clock() -> Any:
    owner = OWNER.get(None)
    return owner.clock if isinstance(owner, Process) else planar.clock.SystemClock()


def _uuid() -> UUID:
    return current_process().world.new_id()


@contextmanager
def simulated_surroundings(*, log_counts: bool = True) -> Generator[None]:
    """What the engine asks of its surroundings (the host's clock, new ids, the log) comes from the simulation in this block.

    With *log_counts* an error that the engine logs is a violation like any other.
    """
    _LOG.counts = log_counts
    logger = logging.getLogger("planar")
    before = logger.level, logger.propagate
    logger.addHandler(_LOG)
    logger.setLevel(logging.ERROR)
    logger.propagate = False
    try:
        with (
            patch("planar.clock.SYSTEM_CLOCK", _HostClock()),
            patch("planar.engine.worker.uuid7", _uuid),
            patch("planar.engine.client.uuid7", _uuid),
        ):
            yield
    finally:
        logger.removeHandler(_LOG)
        logger.setLevel(before[0])
        logger.propagate = before[1]
