"""Replay: what is recorded is handed out in the order of recording, and a changed way is detected, never misread."""

from __future__ import annotations

from typing import Any

import pytest

from planar.engine.core.model import StepKind, StepRecord, StepStatus
from planar.engine.core.replay import (
    Decision,
    Diverged,
    Execute,
    Journal,
    NotYet,
    StepIdentity,
    UseError,
    UseResult,
    decide,
    decide_branches,
    enclosing,
    is_inside,
)

CHARGE = StepIdentity("app.charge", "charge")
SHIP = StepIdentity("app.ship", "ship")


def ended(path: str, seq: int, identity: StepIdentity = CHARGE, status: StepStatus = StepStatus.SUCCEEDED, **fields: Any) -> StepRecord:
    given = {"step_id": seq, "args": "[]", "kwargs": "{}", **fields}
    return StepRecord(path=path, name=identity.name, qualname=identity.qualname, kind=identity.kind, status=status, seq=seq, **given)


def begun(path: str, identity: StepIdentity = CHARGE, **fields: Any) -> StepRecord:
    return ended(path, 1, identity, StepStatus.RUNNING, **fields)._replace(seq=None)


def call(journal: Journal, path: str, identity: StepIdentity = CHARGE, args: str | None = "[]", kwargs: str | None = "{}") -> Decision:
    return decide(journal, path, identity, args, kwargs)


# -- nothing recorded, or a mark ------------------------------------------------------------------------------------------


def test_a_first_run_executes() -> None:
    assert call(Journal(), "1") == Execute(None)


def test_a_step_that_had_only_begun_runs_again_and_knows_its_mark() -> None:
    mark = begun("1", retry_count=2)
    assert call(Journal([mark]), "1") == Execute(mark)


@pytest.mark.parametrize("status", [StepStatus.RUNNING, StepStatus.FAILED])
def test_a_record_without_a_place_in_the_order_is_not_final_whatever_its_status(status: StepStatus) -> None:
    mark = begun("1")._replace(status=status)
    assert call(Journal([mark]), "1") == Execute(mark)


# -- what has ended -------------------------------------------------------------------------------------------------------


def test_what_succeeded_is_used() -> None:
    record = ended("1", 1)
    assert call(Journal([record]), "1") == UseResult(record)


@pytest.mark.parametrize("status", [StepStatus.FAILED, StepStatus.CANCELLED])
def test_what_failed_or_was_cancelled_is_raised_again(status: StepStatus) -> None:
    record = ended("1", 1, status=status)
    assert call(Journal([record]), "1") == UseError(record)


def test_a_whole_history_is_handed_out_and_then_new_steps_run() -> None:
    records = [ended(str(number), number) for number in (1, 2, 3)]
    journal = Journal(reversed(records))
    for record in records:
        assert call(journal, record.path) == UseResult(record)
        journal.close(record.path)
    assert call(journal, "4") == Execute(None)
    assert journal.leftover() is None


# -- another way than before ----------------------------------------------------------------------------------------------


def test_another_function_at_the_same_place_is_detected_though_it_succeeded() -> None:
    assert call(Journal([ended("1", 7)]), "1", SHIP) == Diverged(7, "function name", "app.charge", "app.ship")


@pytest.mark.parametrize("record", [begun("1"), ended("1", 1, status=StepStatus.FAILED), ended("1", 1, status=StepStatus.CANCELLED)])
def test_another_function_is_detected_whatever_the_status_of_the_record(record: StepRecord) -> None:
    assert isinstance(call(Journal([record]), "1", SHIP), Diverged)


def test_another_kind_is_detected() -> None:
    assert call(Journal([ended("1", 1)]), "1", CHARGE._replace(kind=StepKind.AGENT)) == Diverged(1, "step type", "compute", "agent")


def test_a_function_that_moved_to_another_module_is_the_same_step() -> None:
    record = ended("1", 1)
    assert call(Journal([record]), "1", StepIdentity("main.charge", "charge", display_name="Charge")) == UseResult(record)


@pytest.mark.parametrize(
    ("args", "kwargs", "what"),
    [("[2]", "{}", Diverged(1, "args", "[]", "[2]")), ("[]", '{"a":1}', Diverged(1, "kwargs", "{}", '{"a":1}'))],
)
def test_a_step_that_runs_again_must_run_with_what_it_began_with(args: str, kwargs: str, what: Diverged) -> None:
    assert call(Journal([begun("1")]), "1", args=args, kwargs=kwargs) == what


def test_arguments_of_a_step_that_ended_decide_nothing() -> None:
    record = ended("1", 1)
    assert call(Journal([record]), "1", args="[2]", kwargs='{"a":1}') == UseResult(record)


def test_arguments_that_were_not_recorded_are_not_compared() -> None:
    mark = begun("1", args=None, kwargs=None)
    assert call(Journal([mark]), "1", args="[2]") == Execute(mark)
    assert isinstance(call(Journal([begun("1")]), "1", args=None, kwargs=None), Execute)


# -- the order of recording -----------------------------------------------------------------------------------------------


def test_nothing_new_happens_before_the_history_is_used_up() -> None:
    later = ended("3", 1)
    assert call(Journal([later]), "2") == NotYet(later)


def test_a_mark_does_not_run_before_the_history_is_used_up() -> None:
    earlier = ended("2", 1)
    assert call(Journal([begun("1"), earlier]), "1") == NotYet(earlier)


def test_results_are_handed_out_in_the_order_in_which_they_were_recorded() -> None:
    first, second = ended("1/b2.1", 1), ended("1/b1.1", 2)
    journal = Journal([second, first])
    assert call(journal, "1/b1.1") == NotYet(first)
    assert call(journal, "1/b2.1") == UseResult(first)
    journal.close("1/b2.1")
    assert call(journal, "1/b1.1") == UseResult(second)


def test_a_skipped_step_is_detected_at_the_next_call() -> None:
    skipped = ended("1", 1)
    assert call(Journal([skipped]), "2", SHIP) == NotYet(skipped)


# -- nested steps ---------------------------------------------------------------------------------------------------------


def test_a_step_that_ended_skips_what_was_recorded_in_it() -> None:
    inner, outer, after = ended("1.1", 1, SHIP), ended("1", 2), ended("2", 3)
    journal = Journal([inner, outer, after])
    assert call(journal, "1") == UseResult(outer)
    journal.close("1")
    assert call(journal, "2") == UseResult(after)


def test_a_step_that_had_begun_runs_again_over_what_was_recorded_in_it() -> None:
    inner, mark = ended("1.1", 1, SHIP), begun("1")
    journal = Journal([inner, mark])
    assert call(journal, "1") == Execute(mark)
    assert call(journal, "1.1", SHIP) == UseResult(inner)
    journal.close("1.1")
    assert call(journal, "1.2") == Execute(None)


def test_a_step_without_a_mark_runs_again_over_what_was_recorded_in_it() -> None:
    inner = ended("1.2.1", 1, SHIP)
    journal = Journal([inner])
    assert call(journal, "1") == Execute(None)
    assert call(journal, "1.2") == Execute(None)
    assert call(journal, "1.1") == NotYet(inner)


def test_a_place_is_not_inside_one_that_only_begins_like_it() -> None:
    tenth = ended("10", 1)
    assert call(Journal([tenth]), "1") == NotYet(tenth)
    journal = Journal([ended("1", 1), ended("10", 2)])
    journal.close("1")
    assert journal.next() == ended("10", 2)


@pytest.mark.parametrize(
    ("path", "outer", "inside"),
    [("3.1", "3", True), ("3/b2.1", "3", True), ("3/b2.1", "3/b2", True), ("3", "3", False), ("31", "3", False), ("3", "3.1", False)],
)
def test_being_inside(path: str, outer: str, inside: bool) -> None:
    assert is_inside(path, outer) is inside
    assert (outer in enclosing(path)) is inside


def test_what_is_around_a_place_comes_innermost_first() -> None:
    assert list(enclosing("3/b2.1.4")) == ["3/b2.1", "3/b2", "3"]
    assert list(enclosing("3")) == []


# -- the end of the function ----------------------------------------------------------------------------------------------


def test_a_recorded_step_that_was_never_asked_for_is_left_over() -> None:
    first, second = ended("1", 1), ended("2", 2)
    journal = Journal([first, second])
    journal.close("1")
    assert journal.leftover() == second


def test_a_mark_that_was_never_asked_for_is_left_over() -> None:
    mark = begun("1")
    journal = Journal([mark])
    assert journal.leftover() == mark
    journal.close("1")
    assert journal.leftover() is None


def test_what_is_nested_in_a_step_that_was_handed_out_is_not_left_over() -> None:
    journal = Journal([ended("1.1", 1), begun("1.2"), ended("1", 2)])
    journal.close("1")
    assert journal.leftover() is None


# -- numbers --------------------------------------------------------------------------------------------------------------


def test_a_journal_knows_where_to_go_on_counting() -> None:
    journal = Journal([ended("1", 5, step_id=2), begun("2", step_id=9), ended("3", 4, step_id=3)])
    assert (journal.last_seq, journal.last_step_id, len(journal)) == (5, 9, 3)
    assert (Journal().last_seq, Journal().last_step_id, len(Journal())) == (0, 0, 0)
    assert Journal([begun("1", step_id=4)]).last_seq == 0


def test_a_journal_finds_its_records() -> None:
    mark, record = begun("1"), ended("2", 1)
    journal = Journal([mark, record])
    assert list(journal) == [mark, record]
    assert journal.get("2") == record
    assert journal.get("3") is None


# -- branches -------------------------------------------------------------------------------------------------------------

GATHER = StepIdentity("planar.workflows.gather", "gather()")


def test_a_record_inside_a_step_that_has_ended_has_no_turn_of_its_own() -> None:
    journal = Journal([ended("1.1", 1), ended("2", 2), ended("1", 3)])
    assert journal.next() == ended("2", 2)
    journal.close("2")
    assert journal.next() == ended("1", 3)
    journal.close("1")
    assert journal.next() is None
    assert journal.leftover() is None


def test_a_record_in_a_branch_of_a_race_has_its_turn_although_the_race_is_decided() -> None:
    journal = Journal([ended("1/b2.1", 1), ended("1", 2), ended("1/b1.1", 3)])
    assert journal.next() == ended("1/b2.1", 1)
    journal.close("1/b2.1")
    journal.pass_over("1")
    assert journal.next() == ended("1/b1.1", 3)


def test_the_numbers_go_on_after_records_that_have_no_turn() -> None:
    assert Journal([ended("1", 1), ended("1.1", 7)]).last_seq == 7


def test_a_step_where_branches_were_is_another_way() -> None:
    decision = call(Journal([ended("1/b2.1", 1)]), "1")
    assert isinstance(decision, Diverged)
    assert "in a branch" in decision.previous


@pytest.mark.parametrize("record", [ended("1", 1), ended("1.1", 1), begun("1")])
def test_branches_where_a_step_was_are_another_way(record: StepRecord) -> None:
    assert decide_branches(Journal([record]), "1", GATHER) is not None


def test_branches_where_branches_or_nothing_were_may_begin() -> None:
    assert decide_branches(Journal([ended("1/b1.1", 1)]), "1", GATHER) is None
    assert decide_branches(Journal(), "1", GATHER) is None
    assert decide_branches(Journal([ended("1", 1, GATHER)]), "1", GATHER) is None


def test_a_record_in_another_branch_comes_first() -> None:
    journal = Journal([ended("1/b2.1", 1), ended("1/b1.1", 2)])
    assert call(journal, "1/b1.1") == NotYet(ended("1/b2.1", 1))
    assert call(journal, "1/b2.1") == UseResult(ended("1/b2.1", 1))
