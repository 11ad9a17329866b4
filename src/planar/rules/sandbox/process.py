"""One process that evaluates graphs: started when it is needed, killed when it takes too long."""

from __future__ import annotations

import asyncio
import os
import signal
import struct
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import orjson

from planar.rules.errors import RuleCrashed, RuleTimeout

PROGRAM: Final = Path(__file__).with_name("child.py")
START_SECONDS: Final = 30.0
END_SECONDS: Final = 1.0
"""How long a process that has closed its output may take to be gone."""
MAX_ANSWER: Final = 64 * 1024 * 1024

_ENVIRONMENT: Final = ("PATH", "LD_LIBRARY_PATH", "LANG", "LC_ALL", "SYSTEMROOT", "VIRTUAL_ENV")
"""What a child is told of this process's environment: nothing that could be a secret."""


class ProcessEnded(Exception):
    """The process ended in the middle of an evaluation.

    Args:
        returncode: how it ended.
    """

    def __init__(self, returncode: int | None) -> None:
        super().__init__(returncode)
        self.killed = returncode == -signal.SIGKILL


class _TooLarge(Exception):
    """The answer is longer than any that is taken."""


class ScriptProcess:
    """A process that evaluates one graph at a time.

    Args:
        memory_mb: the limit on its address space, in MiB.
    """

    def __init__(self, memory_mb: int) -> None:
        self._memory = memory_mb * 1024 * 1024
        self._process: asyncio.subprocess.Process | None = None
        self._known: set[str] = set()
        """The keys of the graphs that it was sent."""

    @property
    def pid(self) -> int | None:
        """The process's number, if there is one."""
        return self._process.pid if self._process is not None else None

    async def evaluate(
        self, key: str, entry: str, graphs: Mapping[str, Any], context: str, seconds: float, *, trace: bool
    ) -> dict[str, Any]:
        """What the process answers: ``value`` or ``error``.

        Raises:
            RuleTimeout: it took longer than *seconds*; it was killed.
            ProcessEnded: it ended by itself, or somebody killed it.
        """
        process = await self._started()
        request = {"key": key, "entry": entry, "context": context, "trace": trace}
        try:
            async with asyncio.timeout(seconds):
                answer: dict[str, Any] = {"unknown": True}
                if key in self._known:
                    answer = await self._ask(process, request)
                if "unknown" in answer:  # it was never sent, or the process has forgotten it
                    answer = await self._ask(process, {**request, "graphs": graphs})
                    self._known.add(key)
                return answer
        except TimeoutError:
            await self.kill()
            raise RuleTimeout(f"A script took longer than {seconds:g} seconds, and was stopped.") from None
        except _TooLarge:
            await self.kill()
            raise ProcessEnded(None) from None
        except (asyncio.IncompleteReadError, ConnectionError, OSError):
            raise ProcessEnded(await self._code_of(process)) from None
        except BaseException:
            # Half an answer may be on its way: nobody else may get it.
            await self.kill()
            raise

    async def kill(self) -> None:
        """End the process at once, if there is one."""
        process, self._process = self._process, None
        if process is None:
            return
        with suppress(ProcessLookupError):
            process.kill()
        await asyncio.shield(_gone(process))

    async def _code_of(self, process: asyncio.subprocess.Process) -> int | None:
        """How a process that no longer answers ended; ``None`` if it did not, and was killed here.

        A kill at once would be a race: ``Process.kill`` asks for the code first, and then asyncio, which comes
        second, reports 255 instead of the signal.
        """
        try:
            async with asyncio.timeout(END_SECONDS):
                code = await process.wait()
        except TimeoutError:
            await self.kill()
            return None
        except BaseException:
            await self.kill()
            raise
        self._process = None
        return code

    async def _started(self) -> asyncio.subprocess.Process:
        process = self._process
        if process is not None and process.returncode is None:
            return process
        self._known.clear()
        environment = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                str(PROGRAM),
                str(self._memory),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env={**environment, "TOKIO_WORKER_THREADS": "1", "MALLOC_ARENA_MAX": "2"},
                start_new_session=True,
            )
        except OSError as error:
            raise RuleCrashed(f"The process for scripts could not start: {error.strerror or type(error).__name__}.") from error
        self._process = process
        try:
            async with asyncio.timeout(START_SECONDS):
                await _receive(process)
        except (TimeoutError, asyncio.IncompleteReadError, ConnectionError):
            await self.kill()
            raise RuleCrashed(
                "The process for scripts could not start: is zen-engine installed, and script_memory_mb large enough?"
            ) from None
        except BaseException:
            await self.kill()
            raise
        return process

    async def _ask(self, process: asyncio.subprocess.Process, request: Mapping[str, Any]) -> dict[str, Any]:
        assert process.stdin is not None
        body = orjson.dumps(request)
        process.stdin.write(struct.pack(">I", len(body)) + body)
        await process.stdin.drain()
        return await _receive(process)


async def _gone(process: asyncio.subprocess.Process) -> None:
    """Wait for the end of a process that was killed. Asyncio waits for that of its output too, which comes only if all of it is read."""
    assert process.stdout is not None
    # RuntimeError: whoever asked it is still reading.
    with suppress(RuntimeError, OSError):
        while await process.stdout.read(1 << 16):
            pass
    await process.wait()


async def _receive(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None
    (length,) = struct.unpack(">I", await process.stdout.readexactly(4))
    if length > MAX_ANSWER:
        raise _TooLarge
    return orjson.loads(await process.stdout.readexactly(length))
