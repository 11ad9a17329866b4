"""Whatever a version recorded, this one replays: to the same end, and without running again what is recorded."""

from __future__ import annotations

import pytest

from planar.engine.core.model import ENDED, StepStatus
from tests.scenario.corpus.history import History, from_json, kept, to_json
from tests.scenario.corpus.recording import SCENARIOS, record
from tests.scenario.corpus.replay import closed_paths, first_ended, is_within, replay

HISTORIES = list(kept())


def test_there_is_a_history_of_every_scenario() -> None:
    assert {history.name for history in HISTORIES} >= {name for name, *_ in SCENARIOS}


@pytest.mark.parametrize("history", HISTORIES, ids=str)
def test_a_kept_history_is_replayed_to_the_same_end_and_no_body_runs(history: History) -> None:
    for run in history.runs:
        replayed = replay(history, run, history.steps[run.id])
        assert (replayed.run.status, replayed.run.result, replayed.run.error) == (run.status, run.result, run.error)
        assert replayed.ran == frozenset()
        assert replayed.steps == {record.path: record for record in history.steps[run.id]}


@pytest.mark.parametrize("history", [history for history in HISTORIES if history.name != "values"], ids=str)
def test_a_kept_history_is_taken_up_after_each_of_its_records(history: History) -> None:
    for run in history.runs:
        ended = [record for record in history.steps[run.id] if record.seq is not None]
        for number in range(len(ended) + 1):
            records = first_ended(ended, number)
            replayed = replay(history, run, records)
            assert replayed.run.status in ENDED
            assert replayed.run.status == run.status, f"after {number} records"
            if run.status.value != "cancelled":
                assert (replayed.run.result, replayed.run.error) == (run.result, run.error), f"after {number} records"
            closed = closed_paths(records)
            assert not [path for path in replayed.ran if is_within(path, closed)], f"after {number} records"


def test_this_version_records_what_it_can_read() -> None:
    for history in record("now"):
        assert from_json(to_json(history), "now") == history
        for run in history.runs:
            assert replay(history, run, history.steps[run.id]).ran == frozenset()


def test_every_value_came_back_when_it_was_recorded() -> None:
    (values,) = (history for history in HISTORIES if history.name == "values" and history.version == HISTORIES[-1].version)
    (run,) = values.runs
    assert run.result == "[]"
    assert all(record.status is StepStatus.SUCCEEDED for record in values.steps[run.id])
