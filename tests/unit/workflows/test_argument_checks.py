from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import BaseModel

from planar.workflows.argument_checks import ArgumentChecks, Note
from planar.workflows.errors import ArgumentsRefused

pytestmark = pytest.mark.anyio


class Input(BaseModel):
    """What a workflow takes."""


class Recorded:
    """A check that is concerned by schemas that say so."""

    def __init__(self) -> None:
        self.asked: list[Mapping[str, Any]] = []
        self.seen: list[Mapping[str, Any]] = []
        self.noted: list[UUID] = []

    def concerns(self, input_schema: Mapping[str, Any]) -> bool:
        self.asked.append(input_schema)
        return bool(input_schema.get("concerned"))

    async def check(self, arguments: Mapping[str, Any]) -> Note:
        self.seen.append(arguments)

        async def note(run_id: UUID) -> None:
            self.noted.append(run_id)

        return note


def never() -> Mapping[str, Any]:
    raise AssertionError("nobody needs the arguments")


async def test_a_workflow_that_concerns_no_check_is_asked_about_once_and_its_arguments_are_not_looked_at() -> None:
    checks, check = ArgumentChecks(), Recorded()
    checks.add(check)
    for _ in range(3):
        assert await checks.check(Input, {}, never) == []
    assert (len(check.asked), check.seen) == (1, [])


async def test_a_check_that_is_concerned_sees_the_arguments_and_hears_of_the_run() -> None:
    checks, check, run_id = ArgumentChecks(), Recorded(), uuid4()
    checks.add(check)
    for note in await checks.check(Input, {"concerned": True}, lambda: {"a": 1}):
        await note(run_id)
    assert (check.seen, check.noted) == ([{"a": 1}], [run_id])


def test_what_is_refused_is_told_as_the_entries_of_a_validation_error() -> None:
    error = ArgumentsRefused([(("paper", 0), "unknown_file", "There is none.")])
    assert error.entries() == [{"type": "unknown_file", "loc": ("body", "paper", 0), "msg": "There is none."}]
    assert str(error) == "paper.0: There is none."
