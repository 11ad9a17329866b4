"""What every test may use, and which tests run.

No fixture here that a user of Planar could not have in a test suite of their own.
"""

from __future__ import annotations

import gc
import os
from collections import Counter
from typing import Any

import pytest
from hypothesis import settings

from tests import postgres_server, stores

settings.register_profile("house", derandomize=True, deadline=None)
settings.load_profile("house")

CRASHES = "crashes at every write"
"""The property of a test that played a story: its name, the store, how many writes it has, how many crashes were tried, and one in
how many points that is."""

_choice = pytest.StashKey[stores.Choice]()
_left_out = pytest.StashKey[Counter[str]]()


@pytest.fixture
def anyio_backend() -> str:
    """Planar runs on asyncio only."""
    return "asyncio"


# -- the stores -----------------------------------------------------------------------------------------------------------


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{stores.NEEDS}(name): needs this store")
    config.addinivalue_line("markers", f"{stores.INDEPENDENT}: tests what happens above the store's port, the same on every store")
    try:
        config.stash[_choice] = stores.Choice.of(os.environ)
    except stores.SenselessChoice as error:
        raise pytest.UsageError(str(error)) from None
    config.stash[_left_out] = Counter()


def pytest_report_header(config: pytest.Config) -> list[str]:
    return config.stash[_choice].described(_server)


def _server() -> str:
    try:
        return postgres_server.origin()
    except postgres_server.NoServer as error:
        return str(error)


@pytest.hookimpl(trylast=True)  # what -k and -m leave out needs no server
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    choice, counted = config.stash[_choice], config.stash[_left_out]
    kept: list[pytest.Item] = []
    removed: list[pytest.Item] = []
    for item in items:
        reason = choice.reason_against(_needed(item), item.get_closest_marker(stores.INDEPENDENT) is not None)
        if reason is None:
            kept.append(item)
        else:
            removed.append(item)
            counted[reason] += 1
    if removed:
        config.hook.pytest_deselected(items=removed)
        items[:] = kept
    if any(stores.POSTGRESQL in _needed(item) for item in kept):
        try:
            postgres_server.origin()
        except postgres_server.NoServer as error:
            raise pytest.UsageError(str(error)) from None


def pytest_collection_finish() -> None:
    """What was imported and collected lives to the end: no collector need look at it again."""
    gc.collect()
    gc.freeze()


def _needed(item: pytest.Item) -> set[str]:
    return {str(name) for mark in item.iter_markers(stores.NEEDS) for name in mark.args}


# -- what is said at the end ----------------------------------------------------------------------------------------------


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A process that runs a part of the tests tells the one that prints the summary."""
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["left_out"] = dict(session.config.stash[_left_out])


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Each of them has all the tests before it, and leaves out the same."""
    left_out: dict[str, int] = getattr(node, "workeroutput", {}).get("left_out", {})
    node.config.stash[_left_out].update(
        {reason: number for reason, number in left_out.items() if reason not in node.config.stash[_left_out]}
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """What did not run, and the figures of the crash suite."""
    _tell_crashes(terminalreporter)
    counted = config.stash[_left_out]
    if not counted:
        terminalreporter.write_line("what did not run: nothing")
    else:
        terminalreporter.section("what did not run")
        for reason, number in sorted(counted.items()):
            terminalreporter.write_line(f"{number} tests. {reason}")


def _tell_crashes(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [report for found in terminalreporter.stats.values() for report in found if isinstance(report, pytest.TestReport)]
    figures = sorted({tuple(value) for report in reports for name, value in report.user_properties if name == CRASHES})
    if not figures:
        return
    terminalreporter.section("crashes at every write")
    for scenario, database, writes, crashes, every in figures:
        of_all = "" if every == 1 else f", one point in {every}; {stores.LONG}=1 tries all"
        terminalreporter.write_line(f"{scenario:<28} {database:<10} {writes:>4} writes {crashes:>5} crashes{of_all}")
    terminalreporter.write_line(f"{'in all':<28} {'':<10} {'':>11} {sum(figure[3] for figure in figures):>5} crashes")
