"""What more is there to say of a step than what is recorded of every step? Features describe their own kinds here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from planar.logging import get_logger
from planar.workflows.models import StepType
from planar.workflows.queries import Record

logger = get_logger(__name__)


class Describer(Protocol):
    """Describes the steps of one kind."""

    async def __call__(self, steps: Sequence[Record]) -> Mapping[int, dict[str, Any]]:
        """The details of those of *steps* (all of one run) that have any, by ``step_id``. Asked once a page, not once a step."""
        ...


class StepDetails:
    """The describers of one app, by kind of step; found among its services."""

    def __init__(self) -> None:
        self._by_kind: dict[StepType, Describer] = {}

    def add(self, kind: StepType, describer: Describer) -> None:
        """Let *describer* describe steps of *kind*.

        Raises:
            ValueError: the kind has a describer already.
        """
        if kind in self._by_kind:
            raise ValueError(f"Steps of kind {kind.value} have a describer already.")
        self._by_kind[kind] = describer

    async def describe(self, steps: Sequence[Record]) -> dict[int, dict[str, Any]]:
        """The details of *steps* by ``step_id``, each with its ``step_type``. A describer that fails leaves its own steps without."""
        found: dict[int, dict[str, Any]] = {}
        for kind, describer in self._by_kind.items():
            mine = [step for step in steps if step["step_type"] == kind]
            if not mine:
                continue
            try:
                details = await describer(mine)
            except Exception:
                logger.exception("steps could not be described", step_type=kind.value)
                continue
            found.update({step_id: {**detail, "step_type": kind.value} for step_id, detail in details.items()})
        return found
