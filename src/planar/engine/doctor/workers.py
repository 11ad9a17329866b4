"""Who works, who is lost, and do the living agree on their version and the time?"""

from __future__ import annotations

from collections.abc import Iterator

from planar._version import VERSION
from planar.engine.doctor.findings import Code, Finding, Severity, are, counted, have, span
from planar.engine.doctor.limits import Limits
from planar.engine.store.facts import Facts, WorkerFacts
from planar.engine.store.lease import FORGOTTEN_IN_LEASES

_UNTOLD = "unknown"
"""The version of a worker whose code is older than the column for it."""


def lives(worker: WorkerFacts, lease_seconds: float) -> bool:
    """Whether *worker* is believed to live: its process holds its file, or its last beat is young enough."""
    return worker.is_listed and _proves_life(worker, lease_seconds)


def is_lost(worker: WorkerFacts, lease_seconds: float) -> bool:
    """Whether *worker* is gone and somebody has to take over from it. One that was written off, and whose runs were freed, is history."""
    return not _proves_life(worker, lease_seconds) and (worker.is_listed or worker.runs > 0)


def _proves_life(worker: WorkerFacts, lease_seconds: float) -> bool:
    if worker.holds_lock is not None:
        return worker.holds_lock
    # One that holds no run rests between its beats.
    leases = 1 if worker.runs else FORGOTTEN_IN_LEASES
    return worker.seconds_silent is not None and worker.seconds_silent <= leases * lease_seconds


def living(facts: Facts) -> list[WorkerFacts]:
    """The workers that are believed to live."""
    return [worker for worker in facts.workers if lives(worker, facts.lease_seconds)]


def check_workers(facts: Facts) -> Iterator[Finding]:
    """Somebody works, and nobody is lost."""
    alive = living(facts)
    if not alive and facts.runs is not None and facts.runs.unfinished:
        due = sum(group.count for group in facts.runs.due)
        yield Finding(
            Code.NO_WORKER,
            Severity.ERROR,
            f"No worker lives, and {have(facts.runs.unfinished, 'run')} not ended; {due:,} of them due now.",
            "Start a process that works: `planar prod`.",
            {"unfinished": facts.runs.unfinished, "due": due},
        )
    lost = [worker for worker in facts.workers if is_lost(worker, facts.lease_seconds)]
    if lost:
        yield _lost(lost, bool(alive))


def _lost(lost: list[WorkerFacts], somebody_lives: bool) -> Finding:
    runs = sum(worker.runs for worker in lost)
    held = f"still holding {counted(runs, 'run')}" if runs else "holding nothing"
    remedy = "The next worker that starts takes over from them at once."
    if somebody_lives:
        remedy = (
            "A living worker takes over within about a second. If this stays, look into the logs of the living workers for "
            "“looking for due runs failed”; and if a lost process is only stopped, end it or let it go on."
        )
    names = ", ".join(_name(worker) for worker in lost[:5])
    return Finding(
        Code.WORKER_LOST,
        Severity.ERROR if runs else Severity.INFO,
        f"{are(len(lost), 'worker')} lost, {held}: {names}{', …' if len(lost) > 5 else ''}.",
        remedy,
        {"runs": runs, "workers": [{"id": str(each.id), "host": each.host, "pid": each.pid, "runs": each.runs} for each in lost]},
    )


def _name(worker: WorkerFacts) -> str:
    silent = worker.seconds_silent
    since = f", silent for {span(silent)}" if silent is not None else ""
    return f"pid {worker.pid} on {worker.host} ({counted(worker.runs, 'run')}{since})"


def describe_workers(facts: Facts) -> str:
    """What is said if nothing is wrong."""
    alive = living(facts)
    if not alive:
        return "none, and nothing to do"
    return f"{len(alive)} alive, holding {counted(sum(worker.runs for worker in alive), 'run')}"


def check_versions(facts: Facts) -> Iterator[Finding]:
    """All living workers are of one version: this one."""
    counts: dict[str, int] = {}
    for worker in living(facts):
        version = worker.version or _UNTOLD
        counts[version] = counts.get(version, 0) + 1
    if not counts or set(counts) == {VERSION}:
        return
    told = " and ".join(f"{counted(count, 'worker')} of {_version(version)}" for version, count in sorted(counts.items()))
    mixed = len(counts) > 1
    yield Finding(
        Code.VERSION_SKEW,
        Severity.WARNING if mixed else Severity.INFO,
        f"At work: {told}{'' if mixed else f'; this command is of version {VERSION}'}.",
        "This is as it should be while a new version is being rolled out. After that, start the processes of the other version again."
        if mixed
        else "Run the doctor with the version that works, or start the workers again with this one.",
        {"versions": counts, "own": VERSION},
    )


def _version(version: str) -> str:
    return "an earlier version" if version == _UNTOLD else f"version {version}"


def describe_versions(facts: Facts) -> str:
    """What is said if nothing is wrong."""
    return f"every worker is of version {VERSION}" if living(facts) else f"no worker; this command is of version {VERSION}"


def check_clocks(facts: Facts, limits: Limits) -> Iterator[Finding]:
    """This host's clock is the server's, and none has gone back."""
    server = facts.server
    if server is not None:
        where = "ahead of" if server.seconds_ahead > 0 else "behind"
        difference = abs(server.seconds_ahead) - server.seconds_uncertain
        severity = limits.clock_seconds.severity(difference)
        if severity is not None:
            yield Finding(
                Code.CLOCK_SKEW,
                severity,
                f"The server's clock is {span(abs(server.seconds_ahead))} {where} this host's.",
                "Let both follow a time server. Timers and leases follow the database's clock alone; logs and tokens do not.",
                {"seconds_ahead": server.seconds_ahead},
            )
    future = max((-_youngest(worker) for worker in facts.workers), default=0.0)
    severity = limits.clock_seconds.severity(future)
    if severity is not None:
        yield Finding(
            Code.CLOCK_WENT_BACK,
            severity,
            f"A worker's row is from {span(future)} in the future: the database's clock went back.",
            "Let it follow a time server. Until it has caught up, timers are late and lost workers are noticed late.",
            {"seconds": future},
        )


def _youngest(worker: WorkerFacts) -> float:
    return min(worker.seconds_started, worker.seconds_started if worker.seconds_silent is None else worker.seconds_silent)


def describe_clocks(facts: Facts) -> str:
    """What is said if nothing is wrong."""
    if facts.server is None:
        return "no worker's row is from the future"
    return f"{abs(facts.server.seconds_ahead) * 1000:.0f} ms between this host and the server"
