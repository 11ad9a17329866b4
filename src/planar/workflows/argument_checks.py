"""What of a run's arguments must somebody else check? Features that know a kind of value add their checks here.

An app that has no such check, and a workflow whose parameters cannot hold such a value, pay a look into a dictionary.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeAlias
from uuid import UUID
from weakref import WeakKeyDictionary

from pydantic import BaseModel

Note: TypeAlias = Callable[[UUID], Awaitable[None]]
"""Awaited with the id of the run, before it starts."""


class ArgumentCheck(Protocol):
    """Checks one kind of value in the arguments that a client sends."""

    def concerns(self, input_schema: Mapping[str, Any]) -> bool:
        """Whether arguments of that schema can hold such a value. Asked once for each workflow."""
        ...

    async def check(self, arguments: Mapping[str, Any]) -> Note | None:
        """Check the arguments by the names of their parameters, and put right in place what the client need not know.

        Returns:
            What is to be awaited when the run has its id; None for nothing.

        Raises:
            ArgumentsRefused: some do not fit.
        """
        ...


class ArgumentChecks:
    """The checks of one app; found among its services."""

    def __init__(self) -> None:
        self._checks: list[ArgumentCheck] = []
        self._concerned: WeakKeyDictionary[type[BaseModel], tuple[ArgumentCheck, ...]] = WeakKeyDictionary()

    def add(self, check: ArgumentCheck) -> None:
        """Ask *check* as well."""
        self._checks.append(check)
        self._concerned.clear()

    async def check(
        self, model: type[BaseModel], input_schema: Mapping[str, Any], arguments: Callable[[], Mapping[str, Any]]
    ) -> list[Note]:
        """Let every check that is concerned see the arguments.

        Args:
            model: that of the workflow's input, which stands for the workflow.
            input_schema: its schema.
            arguments: gives them by the names of their parameters.

        Raises:
            ArgumentsRefused: some do not fit.
        """
        concerned = self._concerned.get(model)
        if concerned is None:
            concerned = self._concerned[model] = tuple(check for check in self._checks if check.concerns(input_schema))
        if not concerned:
            return []
        values = arguments()
        notes = [await check.check(values) for check in concerned]
        return [note for note in notes if note is not None]
