"""In which threads does a storage read and write the disk? In its own, so that a slow disk holds up nobody else's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from planar.files.storage.finishing import to_the_end

P = ParamSpec("P")
R = TypeVar("R")

THREADS = 16
"""They mostly wait for the disk, which commits what waits together."""


class Threads:
    """Threads that begin at the first job, and after `close` begin anew."""

    def __init__(self) -> None:
        self._pool: ThreadPoolExecutor | None = None

    async def run(self, job: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """What *job* gives. A job is never left half done: a cancellation is raised after it ended."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="planar-files")
        return await to_the_end(asyncio.wrap_future(self._pool.submit(job, *args, **kwargs)))

    async def close(self) -> None:
        """End the threads once their jobs are done."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await to_the_end(asyncio.to_thread(pool.shutdown))
