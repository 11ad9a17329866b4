"""Worker processes that are started, killed, stopped and asked to end: real ones, copies of one that has imported everything."""

from __future__ import annotations

import multiprocessing
import os
import signal
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import UUID

from tests.scenario.faults import program
from tests.scenario.faults.program import Setup

STARTS_WITHIN = 60.0


class WorkerProcess:
    """One worker process.

    Args:
        setup: how it is to be.
    """

    def __init__(self, setup: Setup) -> None:
        here, there = _context.Pipe()
        process = _context.Process(target=program.main, args=(setup, there), daemon=True)
        process.start()
        there.close()
        self._process: BaseProcess = process
        self._talk: Any = here
        self._folder = Path(setup.folder)
        self.worker = UUID(int=0)
        """The id of its worker, once it is ready."""
        self.client = ""
        """Under which the server lists its sessions."""

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def log(self) -> str:
        return (self._folder / f"log-{self.pid}").read_text(errors="replace")

    @property
    def is_alive(self) -> bool:
        return self._process.is_alive()

    def await_ready(self) -> None:
        """Wait until it executes runs."""
        try:
            assert self._talk.poll(STARTS_WITHIN), f"the worker is not ready after {STARTS_WITHIN} seconds:\n{self.log}"
            self.worker, self.client = self._talk.recv()
        except EOFError:
            raise AssertionError(f"the worker ended before it was ready:\n{self.log}") from None

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self._process.kill()
        self._process.join()

    def stop(self) -> None:
        """SIGSTOP."""
        os.kill(self.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """SIGCONT."""
        os.kill(self.pid, signal.SIGCONT)

    def terminate(self) -> None:
        """SIGTERM: it is to end in order."""
        self._process.terminate()

    def await_end(self, seconds: float) -> int | None:
        """Its exit code, or None if it has not ended within *seconds*."""
        self._process.join(seconds)
        return self._process.exitcode

    def close(self) -> None:
        """Whatever state it is in."""
        self.kill()
        self._talk.close()


class Fleet:
    """The worker processes of one test."""

    def __init__(self) -> None:
        self.all: list[WorkerProcess] = []
        """Every one that was started, also those that have ended."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for process in self.all:
            process.close()

    @property
    def alive(self) -> list[WorkerProcess]:
        return [process for process in self.all if process.is_alive]

    def of(self, worker: UUID) -> WorkerProcess:
        """The process of *worker*."""
        return next(process for process in self.all if process.worker == worker)

    def start(self, setup: Setup, count: int = 1) -> list[WorkerProcess]:
        """Start *count* processes, and wait until they execute runs."""
        started = [WorkerProcess(setup) for _ in range(count)]
        self.all += started
        for process in started:
            process.await_ready()
        return started


def _forking() -> Any:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([program.__name__])
    return context


_context = _forking()
