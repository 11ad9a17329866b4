"""Which process evaluates the next graph? A few of them take turns; each is started at its first turn and replaced when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from planar.logging import get_logger
from planar.rules.config import RulesConfig
from planar.rules.errors import RuleCrashed, RuleSandboxBusy, RuleSandboxError
from planar.rules.sandbox.process import ProcessEnded, ScriptProcess

logger = get_logger(__name__)


class ScriptPool:
    """The processes of one app for versions in use. Nothing runs until something is evaluated.

    Args:
        config: how many, and what each may use.
    """

    def __init__(self, config: RulesConfig) -> None:
        self._config = config
        self._size = self.size_of(config)
        self._all = [ScriptProcess(config.script_memory_mb) for _ in range(self._size)]
        self._free = list(self._all)
        self._turns = asyncio.Semaphore(self._size)
        self._waiting = 0
        self._closed = False

    @staticmethod
    def size_of(config: RulesConfig) -> int:
        """How many processes it has."""
        return config.script_processes

    @property
    def pids(self) -> list[int]:
        """The numbers of the processes that run."""
        return [process.pid for process in self._all if process.pid is not None]

    async def evaluate(self, key: str, entry: str, graphs: Mapping[str, Any], context: str, *, trace: bool = False) -> dict[str, Any]:
        """Evaluate one of *graphs*.

        Args:
            key: what stands for these graphs: the same graphs have the same.
            entry: the name of the one that is evaluated.
            graphs: documents by name.
            context: the input as JSON.
            trace: whether the answer tells what each node did.

        Returns:
            ``{"value": …}``, or ``{"error": …}`` with the engine's words.

        Raises:
            RuleTimeout: it took too long, and was stopped.
            RuleCrashed: it took too much memory, or its process ended.
            RuleSandboxBusy: too many wait.
            RuleSandboxError: the app stops.
        """
        if self._waiting >= self._size + self._config.script_queue:
            raise RuleSandboxBusy
        self._waiting += 1
        try:
            async with self._turns:
                return await self._in_turn(key, entry, graphs, context, trace=trace)
        finally:
            self._waiting -= 1

    async def _in_turn(self, key: str, entry: str, graphs: Mapping[str, Any], context: str, *, trace: bool) -> dict[str, Any]:
        if self._closed:
            raise RuleSandboxError("The app stops: no script is started any more.")
        process = self._free.pop()
        try:
            try:
                return await process.evaluate(key, entry, graphs, context, self._config.script_seconds, trace=trace)
            except ProcessEnded as ended:
                logger.warning("a process for scripts ended", killed=ended.killed)
                if not ended.killed or self._closed:
                    raise RuleCrashed from None
            # Somebody else killed it: a script cannot tell, so it may run once more.
            try:
                return await process.evaluate(key, entry, graphs, context, self._config.script_seconds, trace=trace)
            except ProcessEnded:
                raise RuleCrashed from None
        finally:
            self._free.append(process)

    async def close(self) -> None:
        """End every process, in the middle of what it does."""
        self._closed = True
        for process in self._all:
            await process.kill()


class DraftPool(ScriptPool):
    """The processes for graphs that are only tried, so that endless ones keep no run from its decision."""

    @staticmethod
    def size_of(config: RulesConfig) -> int:
        """How many processes it has."""
        return config.draft_processes
