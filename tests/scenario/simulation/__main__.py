"""Play seeds, and print what they came to.

python -m tests.scenario.simulation --seeds 20000 --processes 2
python -m tests.scenario.simulation --seed 17
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor

from tests.scenario.simulation.search import Batch, play_batch
from tests.scenario.simulation.seed import play, play_program, simulated_surroundings


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.scenario.simulation", description="Play seeds of the simulation.")
    parser.add_argument("--seed", type=int, help="play this one, and print its trace")
    parser.add_argument("--program", help="perform this program alone, a JSON list of operations, and print the trace")
    parser.add_argument("--first", type=int, default=0, help="the first of many")
    parser.add_argument("--seeds", type=int, default=1000, help="how many")
    parser.add_argument("--processes", type=int, default=1, help="on so many processes")
    chosen = parser.parse_args()
    if chosen.seed is not None or chosen.program is not None:
        return _replay(chosen.seed, chosen.program)
    return _play_many(chosen.first, chosen.seeds, chosen.processes)


def _replay(seed: int | None, program: str | None) -> int:
    with simulated_surroundings():
        played = play_program(program, seed or 0) if program is not None else play(seed or 0, traced=True)
    print("\n".join(played.trace))
    print(f"seed {played.seed}: {played.events} events, {played.seconds:.1f} s of virtual time, {played.violation or 'clean'}")
    return 1 if played.violation else 0


def _play_many(first: int, seeds: int, processes: int) -> int:
    began = time.monotonic()
    size = 250
    spans = [range(start, min(start + size, first + seeds)) for start in range(first, first + seeds, size)]
    figures: Counter[str] = Counter()
    failed: list[tuple[int, str]] = []
    with ProcessPoolExecutor(processes) as pool:
        for batch in pool.map(play_batch, spans):
            figures += batch.figures
            failed += batch.violations
            _show(batch)
    took = time.monotonic() - began
    print(f"{took:.0f} s, {1000 * took * processes / max(1, seeds):.1f} ms a seed on {processes} processes")
    for name, number in sorted(figures.items()):
        print(f"  {name:<24}{number:>12}")
    print(f"{len(failed)} of {seeds} seeds violate a promise")
    return 1 if failed else 0


def _show(batch: Batch) -> None:
    for seed, violation in batch.violations:
        print(f"seed {seed}: {violation}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
