"""Is it still so a moment later? What mends itself within a second is not told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from planar.engine.doctor.diagnosis import Answer, answer_all
from planar.engine.doctor.findings import Code
from planar.engine.doctor.limits import Limits
from planar.engine.store.facts import Facts

PAUSE_SECONDS = 2.0
"""Workers look for who died every second."""

PASSING = frozenset(
    {
        Code.NO_WORKER,
        Code.WORKER_LOST,
        Code.RUN_WITHOUT_CLAIM,
        Code.RUN_OF_UNKNOWN_WORKER,
        Code.RUN_WITHOUT_WAKEUP,
        Code.RUN_MISSED_WAKEUP,
        Code.CLAIM_WITHOUT_RUN,
    }
)
"""What may be seen for a moment while a worker starts, stops, or takes over."""


async def examine(look: Callable[[], Awaitable[Facts]], limits: Limits, pause_seconds: float) -> list[Answer]:
    """What every check found; what may pass by itself was found twice.

    Args:
        look: reads the facts.
        limits: from what figure on something is a finding.
        pause_seconds: how long to wait before the second look, which is needed only if something was found that may pass.
    """
    first = answer_all(await look(), limits)
    before = {finding.code for answer in first for finding in answer.findings} & PASSING
    if not before:
        return first
    await asyncio.sleep(pause_seconds)
    return [_without_new(answer, before) for answer in answer_all(await look(), limits)]


def _without_new(answer: Answer, before: set[Code]) -> Answer:
    kept = tuple(finding for finding in answer.findings if finding.code in before or finding.code not in PASSING)
    return replace(answer, findings=kept)
