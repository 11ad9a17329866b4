"""Has every run that has not ended a reason to wait, and is what is due taken?"""

from __future__ import annotations

from collections.abc import Iterator

from planar.engine.doctor.findings import Code, Finding, Severity, are, have, span
from planar.engine.doctor.limits import Limits
from planar.engine.doctor.workers import living
from planar.engine.store.facts import DueRuns, Facts, Trouble, TroubledRuns

_REPORT = "This should be impossible. Please report it, with what was done to the database before. "

_TROUBLES = {
    Trouble.NO_CLAIM: (
        Code.RUN_WITHOUT_CLAIM,
        "is not in workflow_claim, though it has not ended: no worker will find it",
        _REPORT + "To let a run go on from its journal, give it a row in workflow_claim again (see the guide to the doctor).",
    ),
    Trouble.UNKNOWN_WORKER: (
        Code.RUN_OF_UNKNOWN_WORKER,
        "is held by a worker that is not registered",
        "A living worker takes such a run over within about a second, and one that starts at once. Does one live?",
    ),
    Trouble.NO_WAKEUP: (
        Code.RUN_WITHOUT_WAKEUP,
        "sleeps with neither a due time nor anything to wait for",
        _REPORT + "To wake a run, set its due_at in workflow_claim (see the guide to the doctor): it looks for itself what has come.",
    ),
    Trouble.MISSED_WAKEUP: (
        Code.RUN_MISSED_WAKEUP,
        "sleeps until another run ends, and that one has ended, or does not exist",
        _REPORT + "To wake a run, set its due_at in workflow_claim (see the guide to the doctor): it looks for itself what has come.",
    ),
    Trouble.NO_RUN: (
        Code.CLAIM_WITHOUT_RUN,
        "is in workflow_claim, though it has ended or does not exist",
        _REPORT + "Delete these rows of workflow_claim: a worker that claims one fails.",
    ),
}


_NOT_READ = Finding(
    Code.RUNS_NOT_READ,
    Severity.INFO,
    "To read all that ever ran took too long, so whether a run has no claim is not known; everything else is.",
    "Ask again when the server has less to do.",
    {},
)


def check_reasons(facts: Facts) -> Iterator[Finding]:
    """Every run that has not ended has a reason to wait and a next wake-up."""
    if facts.runs is None:
        return
    if not facts.runs.are_read_through:
        yield _NOT_READ
    for trouble, found in facts.runs.troubles.items():
        code, what, remedy = _TROUBLES[trouble]
        yield Finding(
            code,
            Severity.ERROR,
            f"{_each(found.count)} {what}: {_some(found)}.",
            remedy,
            {"runs": found.count, "some": [str(run_id) for run_id in found.some]},
        )


def _each(count: int) -> str:
    return "1 run" if count == 1 else f"Each of {count:,} runs"


def _some(found: TroubledRuns) -> str:
    return ", ".join(map(str, found.some[:3])) + (", …" if found.count > 3 else "")


def describe_reasons(facts: Facts) -> str:
    """What is said if nothing is wrong."""
    runs = facts.runs
    if runs is None or not runs.unfinished:
        return "none that has not ended"
    return f"{have(runs.unfinished, 'run')} not ended, {runs.asleep:,} asleep, each with a reason and a wake-up"


def check_due(facts: Facts, limits: Limits) -> Iterator[Finding]:
    """What is due is taken by somebody. Without any worker that is another finding."""
    if facts.runs is None or not living(facts):
        return
    for group in facts.runs.due:
        severity = limits.overdue_seconds.severity(group.seconds)
        if severity is not None:
            yield _unknown(facts, group, severity) if _is_unknown(facts, group) else _overdue(group, severity)


def _is_unknown(facts: Facts, group: DueRuns) -> bool:
    """A worker does not tell which workflows it knows; but one that holds runs of a workflow knows it."""
    if facts.application is not None and group.workflow not in facts.application.workflows:
        return True
    return facts.application is None and group.held == 0


def _unknown(facts: Facts, group: DueRuns, severity: Severity) -> Finding:
    guess = "this app does not know it" if facts.application is not None else "probably none knows it"
    return Finding(
        Code.WORKFLOW_UNKNOWN,
        severity,
        f"{are(group.count, 'due run')} unclaimed of {group.workflow!r}, for up to {span(group.seconds)}: no worker takes them; {guess}.",
        "Start a worker whose app registers this workflow under this name, or cancel the runs.",
        _figures(group),
    )


def _overdue(group: DueRuns, severity: Severity) -> Finding:
    return Finding(
        Code.RUNS_OVERDUE,
        severity,
        f"{are(group.count, 'due run')} unclaimed of {group.workflow!r}, for up to {span(group.seconds)}.",
        "The workers may be full: raise workflows.max_concurrent_runs, or start more of them. If they are idle, look into their logs.",
        _figures(group),
    )


def _figures(group: DueRuns) -> dict[str, object]:
    return {"workflow": group.workflow, "runs": group.count, "seconds": group.seconds, "held": group.held}


def describe_due(facts: Facts) -> str:
    """What is said if nothing is wrong."""
    due = sum(group.count for group in facts.runs.due) if facts.runs is not None else 0
    if not due:
        return "nothing is due and unclaimed"
    return f"{due:,} due" + ("" if living(facts) else ", and no worker to take them")
