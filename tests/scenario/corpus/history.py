"""What is kept of a run that has ended: all that the database had of it and of those that belong to it, as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from pydantic_core import to_jsonable_python

from planar.engine.core.model import Event, Run, StepRecord

FOLDER = Path(__file__).resolve().parent / "histories"

_RUN, _STEP, _EVENT = TypeAdapter(Run), TypeAdapter(StepRecord), TypeAdapter(Event)


@dataclass(frozen=True)
class History:
    """One scenario: its runs with their steps, and the events. ``cancel_reason`` is what ended each run that was cancelled."""

    name: str
    version: str
    runs: tuple[Run, ...]
    steps: dict[UUID, tuple[StepRecord, ...]]
    events: tuple[Event, ...]
    cancel_reasons: dict[UUID, str]

    def __str__(self) -> str:
        return f"{self.version} {self.name}"


def to_json(history: History) -> dict[str, Any]:
    """*history* as JSON values."""
    return {
        "name": history.name,
        "runs": [
            {
                "run": _named(run),
                "cancel_reason": history.cancel_reasons.get(run.id),
                "steps": [_without_empty(_named(record)) for record in history.steps[run.id]],
            }
            for run in history.runs
        ],
        "events": [_named(event) for event in history.events],
    }


def _named(value: Run | StepRecord | Event) -> dict[str, Any]:
    """By the names of the fields: more may come, in any place."""
    return {name: to_jsonable_python(each) for name, each in value._asdict().items()}


def _without_empty(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def from_json(values: dict[str, Any], version: str) -> History:
    """The history that `to_json` wrote, perhaps in an earlier version: fields that came later have their defaults."""
    runs = [(_RUN.validate_python(each["run"]), each) for each in values["runs"]]
    return History(
        name=values["name"],
        version=version,
        runs=tuple(run for run, _ in runs),
        steps={run.id: tuple(_STEP.validate_python(record) for record in each["steps"]) for run, each in runs},
        events=tuple(_EVENT.validate_python(event) for event in values["events"]),
        cancel_reasons={run.id: each["cancel_reason"] for run, each in runs if each["cancel_reason"] is not None},
    )


def kept() -> Iterator[History]:
    """Every history of every version."""
    for path in sorted(FOLDER.glob("*.json")):
        file = json.loads(path.read_text(encoding="utf-8"))
        for values in file["histories"]:
            yield from_json(values, file["version"])
