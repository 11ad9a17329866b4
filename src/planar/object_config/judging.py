"""Does a stored version still fit the code? Read as the type's model, then checked; found broken, it harms nobody else."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from pydantic import BaseModel, ValidationError

from planar.logging import get_logger
from planar.object_config.diagnostics import ConfigDiagnosticIssue, ConfigDiagnostics, DiffErrorCode
from planar.object_config.errors import NotJudgedNow

logger = get_logger(__name__)

T = TypeVar("T", bound=BaseModel)

Check: TypeAlias = Callable[[str, Any], ConfigDiagnostics[Any] | Awaitable[ConfigDiagnostics[Any]]]
"""What a type says of one of its objects, by name and content."""


@dataclass(frozen=True, slots=True)
class Judgement(Generic[T]):
    """What was found: the object, if its text can be read, and what is wrong with it. *is_final* unless the check itself failed."""

    data: T | None
    diagnostics: ConfigDiagnostics[Any]
    is_final: bool = True

    @property
    def is_broken(self) -> bool:
        """Whether it must not be used."""
        return self.data is None or not self.diagnostics.is_valid


async def judge(model_class: type[T], check: Check, object_name: str, text: str) -> Judgement[T]:
    """Read *text* and check what it says.

    Raises:
        NotJudgedNow: it cannot be found out now, which says nothing of the object.
    """
    try:
        data = model_class.model_validate_json(text)
    except ValidationError as error:
        return Judgement(None, ConfigDiagnostics(is_valid=False, issues=unreadable(error)))
    return await checked_by(check, object_name, data)


async def checked_by(check: Check, object_name: str, data: T) -> Judgement[T]:
    """Check *data*. A check that fails itself has not found it right.

    Raises:
        NotJudgedNow: it cannot be found out now.
    """
    try:
        found = check(object_name, data)
        diagnostics = await found if inspect.isawaitable(found) else found
    except NotJudgedNow:
        raise
    except Exception as error:
        logger.warning("a configuration could not be checked", object=object_name, exc_info=error)
        issue = ConfigDiagnosticIssue(error_code=DiffErrorCode.NOT_CHECKED, message=f"It could not be checked: {type(error).__name__}")
        return Judgement(data, ConfigDiagnostics(is_valid=False, issues=[issue]), is_final=False)
    return Judgement(data, diagnostics)


def unreadable(error: ValidationError) -> list[ConfigDiagnosticIssue]:
    """What a model found wrong, as issues."""
    return [
        ConfigDiagnosticIssue(
            error_code=DiffErrorCode.UNREADABLE, field_path=".".join(map(str, entry["loc"])), message=entry["msg"], for_object=None
        )
        for entry in error.errors(include_url=False, include_input=False, include_context=False)
    ]
