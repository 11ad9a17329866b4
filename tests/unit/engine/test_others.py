"""For how long is an answer about other workers relied on?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from planar.engine.store.postgres.others import Others

pytestmark = pytest.mark.anyio

ME, OTHER = UUID(int=1), UUID(int=2)
LEASE = 5.0


class Server:
    """Answers with *lives*, and counts the questions; what happens on the way of an answer is *on_the_way*."""

    def __init__(self, *lives: tuple[Any, ...]) -> None:
        self.lives = list(lives)
        self.asked = 0
        self.others = Others(self.fetch, LEASE)
        self.on_the_way = lambda: None

    async def fetch(self, query: str, *args: Any) -> Sequence[Any]:
        self.asked += 1
        rows = list(self.lives)
        self.on_the_way()
        return rows


async def test_nobody_is_asked_again_about_who_was_alive_a_moment_ago() -> None:
    server = Server((OTHER, LEASE, True, True))
    assert await server.others.there(ME) == [OTHER]
    assert await server.others.dead(ME, [OTHER]) == []
    assert server.asked == 1


async def test_an_announcement_is_a_reason_to_ask_again() -> None:
    server = Server((OTHER, LEASE, True, True))
    await server.others.there(ME)
    server.others.changed()
    await server.others.dead(ME, [OTHER])
    assert server.asked == 2


async def test_an_answer_that_was_on_its_way_when_something_was_announced_is_not_relied_on() -> None:
    server = Server((OTHER, LEASE, True, True))
    server.on_the_way = server.others.changed
    await server.others.there(ME)
    server.on_the_way = lambda: None
    await server.others.dead(ME, [OTHER])
    assert server.asked == 2


async def test_who_was_found_dead_ends_the_trust_in_an_earlier_answer() -> None:
    server = Server((OTHER, LEASE, True, True))
    await server.others.there(ME)
    server.lives = [(OTHER, -1.0, False, True)]
    assert await server.others.there(ME) == [OTHER]
    assert await server.others.dead(ME, [OTHER]) == [OTHER]
