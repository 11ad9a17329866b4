"""What does a simulated workflow do? A list of operations, drawn from a seed, that `workflow` performs and `model` understands.

An operation is a JSON list: its name first, then its arguments. A new one needs a line in `_MAKERS`, a function in `workflow` and
one in `model`.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from random import Random
from typing import Any, TypeAlias
from unittest.mock import patch

Operation: TypeAlias = list[Any]
Program: TypeAlias = list[Operation]

KEYS = ("apple", "pear")
POISON = "poison"
"""A result that this database cannot store."""

_DURATIONS = (0.0, 0.0, 0.0, 0.01, 0.01, 0.4, 1.2)
_PAUSES = (0.05, 0.3, 1.0, 2.5)
_TIMEOUTS = (-1.0, -1.0, 0.0, 0.2, 1.5)


def draw_program(random: Random, depth: int = 0) -> Program:
    """One to six operations; children have fewer, and no children of their own children's children."""
    return [_draw(random, depth, inside_step=False) for _ in range(random.randint(1, 6 if depth == 0 else 3))]


def _draw(random: Random, depth: int, *, inside_step: bool) -> Operation:
    while True:
        maker, weight, least = random.choice(_MAKERS)
        if random.random() < weight and (least is None or (depth < least and not inside_step)):
            return maker(random, depth)


def _step(random: Random, depth: int) -> Operation:
    return ["step", random.choice(_DURATIONS), f"v{random.randint(0, 99)}"]


def _flaky(random: Random, depth: int) -> Operation:
    """Fails the first times that it is called; has so many retries; whether the workflow catches its failing for good."""
    return ["flaky", random.randint(0, 3), random.randint(0, 2), random.choice(_DURATIONS), random.random() < 0.7]


def _nested(random: Random, depth: int) -> Operation:
    """A step that performs operations itself, and then fails the first times: how often it fails, and may."""
    inner = [_draw(random, depth + 1, inside_step=True) for _ in range(random.randint(1, 2))]
    fails = random.choice((0, 0, 0, 1, 2))
    return ["nested", inner, fails, random.choice((0, 1, 2)), random.random() < 0.7]


def _suspend(random: Random, depth: int) -> Operation:
    return ["suspend", random.choice(_PAUSES)]


def _event(random: Random, depth: int) -> Operation:
    return ["event", random.choice(KEYS), random.choice(_TIMEOUTS)]


def _emit(random: Random, depth: int) -> Operation:
    return ["emit", random.choice(KEYS), random.randint(0, 10**6)]


def _child(random: Random, depth: int) -> Operation:
    return ["child", draw_program(random, depth + 1), random.random() < 0.7]


def _start(random: Random, depth: int) -> Operation:
    return ["start", draw_program(random, depth + 1), random.random() < 0.7]


def _cleanup(random: Random, depth: int) -> Operation:
    """Operations, and a step in a ``finally`` around them: a cancelled run may still record it."""
    inner = [_draw(random, depth + 1, inside_step=False) for _ in range(random.randint(1, 2))]
    return ["cleanup", inner, random.choice(_DURATIONS), f"v{random.randint(0, 99)}"]


def _timeout(random: Random, depth: int) -> Operation:
    """A step in an `asyncio.timeout` that is clearly too short for it, or clearly long enough."""
    return ["timeout", *random.choice(((0.2, 1.5), (60.0, 0.1)))]


def _stop_child(random: Random, depth: int) -> Operation:
    """Start a run, ask for its end at once, and wait for it."""
    return ["stop_child", draw_program(random, depth + 1)]


def _poll(random: Random, depth: int) -> Operation:
    """Ask until the answer is yes, at so many asked questions."""
    return ["poll", random.randint(1, 3)]


def _branches(random: Random, depth: int) -> list[Program]:
    return [draw_program(random, depth + 1)[:2] for _ in range(random.randint(2, 3))]


def _gather(random: Random, depth: int) -> Operation:
    """Programs side by side; whether the others go on when one fails."""
    return ["gather", _branches(random, depth), random.random() < 0.6]


def _map(random: Random, depth: int) -> Operation:
    """A step for each of some durations, so many at a time."""
    return ["map", [random.choice(_DURATIONS) for _ in range(random.randint(1, 4))], random.randint(1, 3)]


def _race(random: Random, depth: int) -> Operation:
    return ["race", _branches(random, depth)]


def _limit(random: Random, depth: int) -> Operation:
    """A program in a durable timeout."""
    return ["limit", draw_program(random, depth + 1)[:2], random.choice((0.1, 0.5, 2.0))]


def _poison(random: Random, depth: int) -> Operation:
    return ["poison"]


_MAKERS: tuple[tuple[Callable[[Random, int], Operation], float, int | None], ...] = (
    (_step, 1.0, None),
    (_flaky, 0.8, None),
    (_nested, 0.6, 1),
    (_suspend, 0.7, None),
    (_event, 0.9, None),
    (_emit, 0.8, None),
    (_child, 0.7, 2),
    (_start, 0.6, 2),
    (_cleanup, 0.4, 1),
    (_timeout, 0.3, 9),
    (_stop_child, 0.4, 2),
    (_poll, 0.4, None),
    (_gather, 0.7, 2),
    (_map, 0.4, 2),
    (_race, 0.6, 2),
    (_limit, 0.5, 2),
    (_poison, 0.1, 1),
)
"""How each is made, how willingly it is taken, and down to which depth (None: everywhere, also inside a step)."""


def drawn_more_often(kind: str, weight: float) -> AbstractContextManager[Any]:
    """Programs in which the operation *kind* is taken as willingly as *weight* says, while the block lasts."""
    makers = tuple((make, weight if make.__name__ == f"_{kind}" else usual, depth) for make, usual, depth in _MAKERS)
    return patch.dict(globals(), {"_MAKERS": makers})
