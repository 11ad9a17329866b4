"""How fast is the engine on PostgreSQL, beside bare asyncpg and beside DBOS, measured in the same run?

`python benchmarks/postgres.py [--runs N] [--no-peer]` prints a table; README.md beside it says what each row means. The three take
turns, because a machine's speed moves while one looks at it; the median round counts.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import statistics
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import postgres_scale
from dbos_peer import Peer, environment, measure_peer
from durable_server import Address, durable_database
from latency import SEEN, first_line, hand_over, idle, resume_long_run, resumption
from postgres_floor import Floor, floor_in, floor_run
from postgres_statements import no_heartbeats, traced, transactions
from postgres_workers import two_workers
from serving import run_as_served
from table import ratio, row
from workload import (
    PAYLOAD,
    alone,
    many,
    note_end_of_history,
    note_event,
    note_first_line,
    one_step,
    steps_in_turn,
    three_payloads,
    three_steps,
)

from planar import PlanarApp
from planar.config import connection_string_config

ROUNDS = 3
WARM_UP = 500
WORKFLOWS = (three_steps, one_step, three_payloads, steps_in_turn, note_first_line, note_event, note_end_of_history)


async def within(app_url: str, what: Callable[..., Awaitable[None]], *given: object) -> None:
    """Await *what* in an app over a database."""
    app = PlanarApp(config=connection_string_config(app_url))
    for each in WORKFLOWS:
        app.register_workflow(each)
    await app.run_standalone(what, *given)


# -- beside the others ------------------------------------------------------------------------------------------------------


async def throughput(floor: Floor, runs: int, python: Path | None) -> list[Peer]:
    """Many runs at a time, with small and with larger values; what DBOS reached meanwhile."""
    text = PAYLOAD.model_dump_json()
    loads: dict[str, Callable[[int], Awaitable[object]]] = {
        "floor": lambda number: floor_run(floor),
        "engine": lambda number: three_steps(number),
        "floor, 800 B": lambda number: floor_run(floor, payload=text),
        "engine, 800 B": lambda number: three_payloads(PAYLOAD),
    }
    for one in loads.values():
        await many(one, WARM_UP)
    rounds: list[dict[str, tuple[float, float]]] = []
    peers: list[Peer] = []
    for _ in range(ROUNDS):
        rounds.append({name: await many(one, runs) for name, one in loads.items()})
        if python is not None:
            peers.append(await measure_peer(python, max(64, runs // 10)))
    speed = {name: statistics.median(each[name][0] for each in rounds) for name in loads}
    used = {name: min(each[name][1] for each in rounds) for name in loads}
    peer = statistics.median(each.runs_per_second for each in peers) if peers else None
    ratio("three steps, 64 at a time", "/s", speed["floor"], speed["engine"], "0.25, 40 times; goal 0.45, 80", peer)
    ratio("  CPU time of such a run", " us", used["floor"], used["engine"], "", min((each.cpu_us for each in peers), default=None))
    ratio("three steps with 800 bytes", "/s", speed["floor, 800 B"], speed["engine, 800 B"], "the figure")
    ratio("  CPU time of such a run", " us", used["floor, 800 B"], used["engine, 800 B"], "")
    return peers


async def latency(floor: Floor, url: str, peers: Sequence[Peer]) -> None:
    """One thing at a time."""
    bare, ours = await alone(lambda: floor_run(floor, steps=1), lambda: one_step(1))
    peer = statistics.median(each.alone_ms for each in peers) if peers else None
    ratio("one step alone, p50", " ms", bare, ours, "at most 1.2; goal 0.6", peer)
    row("start to first line, p50", f"{await first_line():.2f} ms", "under 5 ms")
    row("event to resumption, p50", f"{await resumption():.2f} ms", "under 5 ms")
    usual, longest = await hand_over(url)
    row("hand-over to another process", f"p50 {usual:.1f} ms, longest of 40 {longest:.1f} ms", "p50 at most 15 ms")


async def beside(address: Address, runs: int, python: Path | None) -> None:
    """Everything that is measured without looking at the statements."""
    async with floor_in() as floor:
        peers = await throughput(floor, runs, python)
        if peers:
            row("", f"DBOS is version {peers[0].version}, in an environment of its own")
        await latency(floor, address.url, peers)


# -- what is asked of the database ------------------------------------------------------------------------------------------


async def statements_of_many(runs: int, at_once: int) -> tuple[float, float]:
    """Statements a step, and transactions that write a run, of three-step runs."""
    async with durable_database() as server:
        await many(three_steps, WARM_UP, at_once)
        SEEN.clear()
        before = await transactions(server.connection)
        await many(three_steps, runs, at_once)
        written = await transactions(server.connection) - before
    return len(no_heartbeats()) / runs / 3, written / runs


async def statements_of_one(steps: int) -> int:
    """The statements of a run alone, the least of a few: other things are asked meanwhile."""
    least = 1_000_000
    for _ in range(5):
        # Until what the run before has caused is over.
        await asyncio.sleep(0.1)
        SEEN.clear()
        await steps_in_turn(steps)
        least = min(least, len(no_heartbeats()))
    return least


async def asked(_: Address, runs: int) -> None:
    """What is asked of the database."""
    # Until the worker has looked around: it would take the long run over from the worker that is made up here.
    await asyncio.sleep(0.2)
    a_step, _ = await statements_of_many(runs, 64)
    row("statements a step, 64 at a time", f"{a_step:.3f}", "at most 0.2")
    _, a_run = await statements_of_many(runs, 32)
    row("write-commits a run, 32 at a time", f"{a_run:.3f}", "at most 0.5")
    short, long = await statements_of_one(3), await statements_of_one(13)
    row("statements a step, alone", f"{(long - short) / 10:.2f}; a run of three steps {short}", "1")
    seconds, queries = min([await resume_long_run() for _ in range(3)])
    row("resuming a run of 10,000 steps", f"{seconds:.3f} s, {queries} query of its steps", "one, under 0.5 s")
    _, busy = await idle()
    others = no_heartbeats()
    row("idle for 10 s", f"{len(others)} statements and {len(SEEN) - len(others)} heartbeats, {busy:.2f} % of a core", "at most 1")


# -- all of it --------------------------------------------------------------------------------------------------------------


async def on_new_database(what: Callable[..., Awaitable[None]], *given: object) -> None:
    """Await *what* in an app over a database of its own."""
    async with durable_database() as address:
        await within(address.url, what, address, *given)


async def quick(runs: int, python: Path | None) -> None:
    """The rows of a few minutes."""
    await on_new_database(beside, runs, python)
    with traced():
        await on_new_database(asked, runs)
    await two_workers(runs)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=2000, help="runs a round")
    arguments.add_argument("--no-peer", action="store_true", help="without DBOS")
    arguments.add_argument("--flat", type=int, nargs="?", const=100_000, help="so many runs in ten parts, and nothing else")
    arguments.add_argument("--sleepers", type=int, nargs="?", const=100_000, help="so many sleeping runs, and nothing else")
    given = arguments.parse_args()
    logging.disable(logging.WARNING)
    if given.flat or given.sleepers:
        if given.flat:
            run_as_served(on_new_database(postgres_scale.flat, given.flat))
            run_as_served(postgres_scale.claims(given.flat))
        if given.sleepers:
            run_as_served(postgres_scale.sleepers(given.sleepers))
        return
    run_as_served(quick(given.runs, None if given.no_peer else environment()))


if __name__ == "__main__":
    main()
