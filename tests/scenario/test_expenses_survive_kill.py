"""kill -9 at five places of the expense example: it goes on as if nothing had happened."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.scenario.service import Service, until

EXAMPLE = Path(__file__).parents[2] / "examples" / "expense_approval_workflow"
WORKFLOW = "approve_expenses"
END = ("succeeded", "failed", "cancelled")

CHECKPOINT = '''
import pathlib as _pathlib

async def checkpoint(name):
    """Leave word, and wait here while somebody holds this place."""
    here = _pathlib.Path(__file__).parent
    (here / f"reached-{name}").touch()
    while (here / f"hold-{name}").exists():
        await asyncio.sleep(0.01)
'''

# Where the checkpoints go: the line of the example, and what it becomes.
PLACES = {
    "    for category, batch in sorted(batches.items()):\n": (
        '    await checkpoint("before")\n    for category, batch in sorted(batches.items()):\n'
    ),
    "    return sum((expense.amount for expense in expenses), Decimal(0))\n": (
        '    await session.flush()\n    await checkpoint("in")\n    return sum((expense.amount for expense in expenses), Decimal(0))\n'
    ),
    "        by_category[category] = await post_to_ledger(report, batch, posting_seconds)\n": (
        "        by_category[category] = await post_to_ledger(report, batch, posting_seconds)\n        await checkpoint('after')\n"
    ),
}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    source = (EXAMPLE / "main.py").read_text()
    for line, replacement in PLACES.items():
        assert source.count(line) == 1, f"the example has changed: {line!r}"
        source = source.replace(line, replacement)
    entry = tmp_path / "main.py"
    head, marker, rest = source.partition("LIMITS = ")
    entry.write_text(head + CHECKPOINT + "\n" + marker + rest)
    service = Service(entry, tmp_path)
    yield service
    service.close()


class Watch:
    """Asks for the status each 50 ms, and compares it with what the database's own rows say just before and just after."""

    def __init__(self, service: Service, run_id: str) -> None:
        self.service, self.run_id = service, run_id
        self.answers: list[str] = []
        self.wrong: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def derived(self) -> str:
        with closing(sqlite3.connect(self.service.database, timeout=10)) as connection:
            connection.execute("begin")
            status = connection.execute(
                "select status from workflow_run where replace(id, '-', '') = ?", (self.run_id.replace("-", ""),)
            ).fetchone()[0]
            claim = connection.execute(
                "select worker_id, reason from workflow_claim where run_id = ?", (self.run_id.replace("-", ""),)
            ).fetchone()
            posted = connection.execute("select count(*) from ledgerentry").fetchone()[0]
        if status != "pending":
            assert claim is None
            assert posted == 95, "a run that has ended has posted everything"
            return str(status)
        worker, reason = claim
        return "running" if worker is not None else "suspended" if reason != "ready" else "pending"

    def _watch(self) -> None:
        import httpx2 as httpx

        with httpx.Client(base_url=self.service.http.base_url, timeout=5) as client:
            while not self._stop.is_set():
                before = self.derived()
                try:
                    answer = client.get(f"/planar/v1/workflows/{WORKFLOW}/runs/{self.run_id}")
                except httpx.TransportError:
                    self._stop.wait(0.05)
                    continue
                after = self.derived()
                status = answer.json()["status"] if answer.status_code == 200 else f"HTTP {answer.status_code}"
                self.answers.append(status)
                # A run may pass through several states between two looks; what is in between is allowed too.
                if status not in (before, after, "running", "pending") or (
                    before == after and before in (*END, "suspended") and status != before
                ):
                    self.wrong.append(f"answer {status}, rows {before} and {after}")
                self._stop.wait(0.05)

    def end(self) -> None:
        self._stop.set()
        self._thread.join(20)
        assert not self._thread.is_alive()
        assert self.wrong == []
        ended = [index for index, status in enumerate(self.answers) if status in END]
        assert ended, "the end was seen"
        assert set(self.answers[ended[0] :]) == {"succeeded"}, "after the end nothing but the end"


@pytest.mark.parametrize("place", ["before", "in", "after", "asleep", "waiting"])
def test_kill_9_loses_and_doubles_nothing(service: Service, place: str) -> None:
    hold = service.folder / f"hold-{place}"
    if place in ("before", "in", "after"):
        hold.touch()
    service.start()
    content = (EXAMPLE / "expenses.csv").read_text()
    cooling_off = 3.0 if place == "asleep" else 0.1
    started = service.post(
        f"/planar/v1/workflows/{WORKFLOW}/start", {"report": "october", "content": content, "cooling_off_seconds": cooling_off}
    )
    run_id = started["id"]
    until(lambda: service.status(WORKFLOW, run_id) == "suspended", "the run to wait for the approval")
    watch = Watch(service, run_id)
    approval = {"event_key": "expense-decision:october:E-0065", "payload": {"approved": True, "by": "Ines"}}
    if place == "waiting":
        service.kill()
        service.start()
        assert service.status(WORKFLOW, run_id) == "suspended"
        service.post("/planar/v1/workflows/events/emit", approval)
        came = time.monotonic()
    else:
        service.post("/planar/v1/workflows/events/emit", approval)
        if place == "asleep":
            until(lambda: service.run(WORKFLOW, run_id)["reason"] == "timer", "the run to sleep")
            woken_at = time.monotonic() + cooling_off
            service.kill()
            service.start()
            came = max(woken_at, time.monotonic())
        else:
            until((service.folder / f"reached-{place}").exists, f"the run to be {place} a step")
            service.kill()
            hold.unlink()
            service.start()
            came = time.monotonic()
    run = service.ended(WORKFLOW, run_id)
    assert time.monotonic() - came < 2.0, "it ends within 2 s of what it waited for"
    until(lambda: len(watch.answers) > 5 and watch.answers[-3:] == ["succeeded"] * 3, "the end to be seen for a while")
    watch.end()
    assert run["status"] == "succeeded"
    assert run["result"]["posted"] == 95
    assert len(run["result"]["malformed"]) == 10
    assert service.get("/ledger/october") == {"entries": 95, "distinct": 95, "total": run["result"]["total"]}
