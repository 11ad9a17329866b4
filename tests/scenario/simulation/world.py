"""One seed's world: a database, its processes, what is asked of them, what befalls them; and the judgement at the end."""

from __future__ import annotations

import asyncio
import contextvars
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from random import Random
from typing import Any
from uuid import UUID

from planar.engine.catalog import Catalogue
from planar.engine.config import WorkerConfig
from planar.engine.core.model import ENDED, Run
from planar.engine.errors import RunAlreadyEnded, RunNotFound
from planar.engine.store.memory import MemoryDatabase
from planar.engine.store.port import EventWait
from tests.scenario.simulation.clock import VirtualClock
from tests.scenario.simulation.faults import draw_faults, strike
from tests.scenario.simulation.ledger import Execution, Ledger
from tests.scenario.simulation.loop import SimulatedLoop
from tests.scenario.simulation.model import Broken, Model
from tests.scenario.simulation.process import Outside, Process
from tests.scenario.simulation.program import KEYS, draw_program
from tests.scenario.simulation.store import Unreachable
from tests.scenario.simulation.watch import Watch
from tests.scenario.simulation.workflow import simulated

PATIENCE = 120.0
"""How many seconds after the last fault everything must have ended."""
STOP_SECONDS = 3.5
"""How long a process that nothing holds up may take to stop: its drain time, and what it still has to write."""
SETTLING_LOOKS = 0.25
_SMALL = json.dumps([["step", 0.0, "small"]])


class World:
    """Everything that *seed* makes."""

    def __init__(self, seed: int, *, traced: bool = False, only: str | None = None) -> None:
        """With *only*, the JSON text of a program, one process performs that, and nothing goes wrong."""
        self.seed = seed
        self.only = only
        self.trace: list[str] | None = [] if traced else None
        self.violation: str | None = None
        self.mistake: Exception | None = None
        """What the database raised that none refuses with: the code of the database is wrong, or that of a plant."""
        self.figures: Counter[str] = Counter()
        # Streams of their own, so that what is drawn for one does not move the others.
        self.schedule = Random(f"{seed}/schedule")
        self.faults = Random(f"{seed}/faults")
        self.work = Random(f"{seed}/work")
        self._outside = contextvars.copy_context()
        self._ids = Random(f"{seed}/ids")
        draw = Random(f"{seed}/settings")
        self.loop = SimulatedLoop(self.schedule, Outside(), shuffled=draw.random() < 0.5)
        self.clock = VirtualClock(self.loop)
        self.database = MemoryDatabase(self.clock)
        self.ledger = Ledger()
        self.watch = Watch(self)
        self.processes: list[Process] = []
        self.workers: dict[UUID, Process] = {}
        self.catalogue = Catalogue()
        self.catalogue.add(simulated.definition)
        self.lease = draw.choice((0.0, 2.0))
        """After how many seconds without a sign of life a worker counts as dead; 0: the system says so at once."""
        self.is_busy = draw.random() < 0.2
        """Whether small runs come and go all the time, so that a process that is left alone never has a quiet second."""
        self.slots = 2 if self.is_busy else draw.choice((2, 2, 2, 3, 3, 4, 5))
        self.until = draw.uniform(1.0, 4.0) + 3.0 * self.is_busy
        """When the last fault begins."""
        self._relaunches = 0.0 if self.is_busy else draw.choice((0.2, 0.8))
        self.way = draw.choice((0.004, 0.004, 0.0))
        """How many seconds the way to the database takes at most; 0: what is submitted is applied in the next turn."""
        self._config = WorkerConfig(
            max_parked_runs=draw.choice((10_000, 10_000, 1, 0)),
            drain_seconds=draw.choice((0.0, 0.5, 2.0)),
            cancel_seconds=draw.choice((0.0, 2.0)),
            poll_seconds=draw.choice((60.0, 3600.0)),
            max_recoveries=100,
        )
        if only is not None:
            # Each wait lets go of the run, so that what comes after it is a replay.
            self.slots, self.is_busy = 1, False
            self._config = self._config.model_copy(update={"max_parked_runs": 0})
        self._skews = [draw.choice((0.0, 0.0, draw.uniform(-5.0, 5.0))) for _ in range(self.slots)]
        self._started: dict[UUID, bool] = {}
        self._waiting: list[tuple[Process, UUID, asyncio.Task[Any]]] = []
        self._background: set[asyncio.Task[None]] = set()
        self._calm = False

    # -- what everybody needs -----------------------------------------------------------------------------------------------

    def note(self, *what: str) -> None:
        """A line of the trace, if there is one."""
        if self.trace is not None:
            self.trace.append(f"{self.loop.time():9.4f} {' '.join(what)}")

    def fail(self, what: str) -> None:
        """A promise was broken: nothing that happens afterwards matters."""
        if self.violation is None:
            self.violation = what
            self.note("VIOLATION", what)
            self.loop.stop()

    def break_down(self, mistake: Exception) -> None:
        """The simulation's own code is wrong, and what it says of the engine means nothing."""
        self.mistake = self.mistake or mistake
        self.loop.stop()

    def new_id(self) -> UUID:
        """An id that the seed gives."""
        return UUID(int=self._ids.getrandbits(128))

    def begin_body(self, run_id: UUID, path: str, process: Process, epoch: int) -> Execution:
        """The body of a step begins in *process*."""
        execution = self.ledger.begin(run_id, path, process.worker_id, epoch, self.loop.time())
        self.figures["bodies"] += 1
        if self.trace is not None:
            self.note("body", process.name, f"{run_id.hex[:6]}@{epoch} {path} attempt {execution.attempt}")
        self.watch.body_begins(process, execution)
        return execution

    def seems_dead(self, worker_id: UUID) -> bool:
        """Whether others may take over what *worker_id* holds."""
        process = self.workers[worker_id]
        since = process.died_at if process.dead else process.paused_at if process.paused and self.lease else None
        return since is not None and self.loop.time() - since >= self.lease

    # -- processes ----------------------------------------------------------------------------------------------------------

    def launch(self, slot: int) -> Process:
        """A new process in *slot*."""
        generation = sum(process.name.startswith(f"w{slot}") for process in self.processes)
        process = Process(self, f"w{slot}.{generation}", self._config, self._skews[slot])
        self.processes.append(process)
        self.loop.add(process)
        self.note("launch", process.name)
        self.spawn(self._boot(process))
        return process

    async def _boot(self, process: Process) -> None:
        await asyncio.wait([process.spawn(process.boot()), process.gone], return_when=asyncio.FIRST_COMPLETED)

    def kill(self, process: Process, how: str) -> None:
        """As by ``kill -9``: nothing of it runs from here on."""
        if process.dead:
            return
        self.figures["deaths"] += 1
        self.note("dead", process.name, how)
        self._bury(process)

    def _bury(self, process: Process) -> None:
        process.dead, process.well_since, process.died_at = True, None, self.loop.time()
        self.loop.remove(process)
        if process.store._others_wrote in self.database.others_wrote:
            self.database.others_wrote.remove(process.store._others_wrote)
        if process.is_up:
            self.database.kill(process.worker_id)
        if not process.gone.done():
            process.gone.set_result(None)
        slot = int(process.name[1 : process.name.index(".")])
        if self.faults.random() < self._relaunches and not self._calm:
            self.spawn(self._relaunch(slot, self.faults.uniform(0.05, 3.0)))

    async def _relaunch(self, slot: int, after: float) -> None:
        await asyncio.sleep(after)
        if not any(process.name.startswith(f"w{slot}.") and not process.dead for process in self.processes):
            self.launch(slot)

    def resume(self, process: Process) -> None:
        """As by SIGCONT."""
        if process.paused and not process.dead:
            process.paused = False
            process.longest_pause = max(process.longest_pause, self.loop.time() - process.paused_at)
            self.note("resume", process.name)
            process.feel_well()

    async def stop(self, process: Process) -> None:
        """As by SIGTERM."""
        if process.stopping or process.dead:
            return
        began, was_well = self.loop.time(), process.well_since is not None
        self.note("stop", process.name)
        stopping = process.spawn(process.stop())
        await asyncio.wait([stopping, process.gone], return_when=asyncio.FIRST_COMPLETED)
        if process.dead:
            return
        if isinstance(stopping.exception(), Unreachable):
            # It cannot give anything back, and ends: for others it has died.
            self.kill(process, "stopped without its database")
            return
        stopping.result()
        held = [claim.run_id for claim in self.database.claims.values() if claim.worker_id == process.worker_id]
        took = self.loop.time() - began
        if held:
            self.fail(f"P8: {process.name} stopped and still holds {held}")
        if was_well and not (process.slow or process.longest_pause or process.loses_ack) and took > STOP_SECONDS:
            self.fail(f"P8: {process.name} took {took:.1f} s to stop")
        self.note("stopped", process.name)
        self._bury(process)

    def pick(self, random: Random) -> Process | None:
        """A process that is up and not stopping."""
        found = [process for process in self.processes if process.is_up and not (process.dead or process.stopping or process.paused)]
        return random.choice(found) if found else None

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Do *work* beside everything else, outside every process."""
        task = self.loop.create_task(work, context=self._outside.copy())
        self._background.add(task)
        task.add_done_callback(self._finished, context=self._outside.copy())

    def _finished(self, task: asyncio.Task[None]) -> None:
        self._background.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.fail(f"the simulation itself failed: {task.exception()!r}")
            raise task.exception() or AssertionError

    # -- what is asked of them ----------------------------------------------------------------------------------------------

    async def _ask(self, request: Callable[[Process], Awaitable[Any]], *, insist: bool) -> tuple[Process, Any] | None:
        """The answer of some process to *request*; with *insist* others are asked until one answers."""
        while True:
            process = self.pick(self.work)
            if process is not None:
                task = process.spawn(_inside(request, process))
                task.add_done_callback(_look_at, context=self._outside.copy())
                await asyncio.wait([task, process.gone], timeout=4.0, return_when=asyncio.FIRST_COMPLETED)
                if task.done() and task.exception() is None:
                    return process, task.result()
                if not insist:
                    return None
            await asyncio.sleep(0.1)

    async def _start_run(self, at: float, program: str, key: str | None, watched: bool) -> None:
        await asyncio.sleep(at)

        async def start(process: Process) -> UUID:
            run = process.client.new_run(simulated.definition, (program,), {}, idempotency_key=key)
            return (await process.client.start(run)).run_id

        answer = await self._ask(start, insist=key is not None)
        if answer is None:
            return
        process, run_id = answer
        self.note("started", run_id.hex[:6], f"by {process.name}", program)
        if run_id not in self.database.runs:
            self.fail(f"P1: {process.name} said that run {run_id} was started, and it is not there")
        self._started[run_id] = True
        if watched:
            self._waiting.append((process, run_id, process.spawn(process.client.ended(run_id))))

    async def _emit(self, at: float, key: str, payload: int, idempotency_key: str | None, targeted: bool) -> None:
        await asyncio.sleep(at)
        target = self.work.choice(sorted(self.database.runs)) if targeted and self.database.runs else None
        await self._ask(
            lambda process: process.client.emit(process.client.new_event(key, str(payload), target, idempotency_key)),
            insist=idempotency_key is not None,
        )

    async def _cancel(self, at: float) -> None:
        await asyncio.sleep(at)
        open_runs = sorted(self.database.claims)
        if open_runs:
            run_id = self.work.choice(open_runs)
            self.note("cancel", run_id.hex[:6])
            await self._ask(lambda process: _cancel_run(process, run_id), insist=False)

    # -- the play -----------------------------------------------------------------------------------------------------------

    async def direct(self) -> None:
        """Everything that the seed says, and then calm until all has ended."""
        for slot in range(self.slots):
            self.launch(slot)
        self._schedule_work()
        for fault in draw_faults(self.faults, self.until) if self.only is None else []:
            await asyncio.sleep(max(0.0, fault.at - self.loop.time()))
            self.spawn(strike(self, fault))
        await asyncio.sleep(max(0.0, self.until - self.loop.time()))
        self._make_calm()
        await self._settle()
        self._judge()

    def _schedule_work(self) -> None:
        draw = self.work
        if self.only is not None:
            self.spawn(self._start_run(0.01, self.only, None, True))
            return
        for number in range(draw.randint(1, 4)):
            key = f"run {number}" if draw.random() < 0.5 else None
            program = json.dumps(draw_program(draw))
            self.spawn(self._start_run(draw.uniform(0.01, self.until / (4 if self.is_busy else 1)), program, key, draw.random() < 0.5))
        for number in range(int(self.until / 0.4) if self.is_busy else 0):
            self.spawn(self._start_run(number * 0.4, _SMALL, f"small run {number}", False))
        for number in range(draw.randint(0, 4)):
            key = f"event {number}" if draw.random() < 0.5 else None
            at = draw.uniform(0.0, self.until + 2)
            self.spawn(self._emit(at, draw.choice(KEYS), draw.randint(0, 10**6), key, draw.random() < 0.3))
        for _ in range(draw.choice((0, 0, 1, 2))):
            self.spawn(self._cancel(draw.uniform(0.1, self.until + 2)))

    def _make_calm(self) -> None:
        """No fault begins any more, and every slot has a process that goes on."""
        self._calm = True
        self.note("calm")
        for process in list(self.processes):
            process.doom, process.loses_ack = None, False
            self.resume(process)
        for slot in range(self.slots):
            if not any(p.name.startswith(f"w{slot}.") and not (p.dead or p.stopping) for p in self.processes):
                self.launch(slot)

    async def _settle(self) -> None:
        deadline = self.loop.time() + PATIENCE
        while self.database.claims or self._background:
            if self.loop.time() > deadline:
                stuck = [f"{claim.run_id} ({claim.reason}, held by {claim.worker_id})" for claim in self.database.claims.values()]
                self.fail(f"P1: not ended {PATIENCE:.0f} s after the last fault: {', '.join(stuck) or self._background}")
            await self._feed()
            await asyncio.sleep(SETTLING_LOOKS)
        await asyncio.sleep(2.0)

    async def _feed(self) -> None:
        """Emit what somebody waits for without a limit, so that every run can end."""
        for claim in list(self.database.claims.values()):
            if claim.worker_id is None and claim.due_at is None:
                for wait in self.watch.waits_of(claim.run_id):
                    if isinstance(wait, EventWait):
                        self.spawn(self._emit(0.0, wait.key, self.work.randint(0, 10**6), None, targeted=False))
                        return

    def _judge(self) -> None:
        for process, run_id, task in self._waiting:
            if not process.dead and not process.stopping and not task.done():
                self.fail(f"run {run_id} has ended, and whoever waits for it in {process.name} was not told")
        model = Model(self)
        for run in self.database.runs.values():
            self.figures["runs"] += 1
            self._judge_run(model, run)

    def _judge_run(self, model: Model, run: Run) -> None:
        if run.status not in ENDED:
            self.fail(f"P1: run {run.id} has no claim, and is {run.status}")
            return
        try:
            model.check(run)
        except Broken as broken:
            self.fail(str(broken))


def _look_at(task: asyncio.Task[Any]) -> None:
    """Whoever asked may have given up, and gone elsewhere, before the answer came: that a store was closed meanwhile, say."""
    if not task.cancelled():
        task.exception()


async def _inside(request: Callable[[Process], Awaitable[Any]], process: Process) -> Any:
    return await request(process)


async def _cancel_run(process: Process, run_id: UUID) -> None:
    try:
        await process.client.cancel(run_id, "enough")
    except (RunAlreadyEnded, RunNotFound):
        return
