"""How does one wait for something that goes its way whatever becomes of the waiting task?"""

from __future__ import annotations

import asyncio
from typing import Any


async def settled(future: asyncio.Future[Any]) -> None:
    """Wait until *future* is done; a cancellation ends the waiting and leaves *future* alone."""
    if future.done():
        return
    waiting: asyncio.Future[None] = future.get_loop().create_future()

    def wake(_: asyncio.Future[Any]) -> None:
        if not waiting.done():
            waiting.set_result(None)

    future.add_done_callback(wake)
    try:
        await waiting
    except BaseException:
        future.remove_done_callback(wake)
        raise


async def outlast(future: asyncio.Future[Any]) -> asyncio.CancelledError | None:
    """Wait until *future* is done, whatever is asked of this task meanwhile; a cancellation that came is for the caller to raise."""
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await settled(future)
        except asyncio.CancelledError as error:
            cancelled = error
    return cancelled
