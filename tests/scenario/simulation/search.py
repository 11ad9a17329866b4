"""Many seeds, one after the other."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.scenario.simulation.seed import Played, play, simulated_surroundings


@dataclass
class Batch:
    """What many seeds came to."""

    figures: Counter[str] = field(default_factory=Counter[str])
    violations: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])


def play_batch(seeds: Iterable[int]) -> Batch:
    """Play each of *seeds*."""
    batch = Batch()
    with simulated_surroundings():
        for seed in seeds:
            played = play(seed)
            batch.figures += played.figures
            if played.violation is not None:
                batch.violations.append((seed, played.violation))
            if seed % 50 == 0:
                gc.collect()
    return batch


def first_violation(seeds: Iterable[int]) -> Played | None:
    """The first of *seeds* that violates a promise; what the engine logs is not enough."""
    with simulated_surroundings(log_counts=False):
        for seed in seeds:
            played = play(seed)
            if played.violation is not None:
                return played
            if seed % 50 == 0:
                gc.collect()
    return None
