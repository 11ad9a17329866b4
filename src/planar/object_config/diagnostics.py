"""What is wrong with a version, and where in it?"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

T = TypeVar("T", bound=BaseModel)


class DiffErrorCode(StrEnum):
    """How a version differs from what the code expects. A type of objects may have codes of its own."""

    MISSING_FIELD = "MISSING_FIELD"
    VALUE_MISMATCH = "VALUE_MISMATCH"
    EXTRA_FIELD = "EXTRA_FIELD"
    CONFIG_MODEL_CHANGED = "CONFIG_MODEL_CHANGED"
    UNREADABLE = "UNREADABLE"
    NOT_CHECKED = "NOT_CHECKED"


class Severity(StrEnum):
    """How much an issue matters: an error keeps a version from becoming active, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


class ConfigDiagnosticIssue(BaseModel):
    """One thing that is wrong.

    ``field_path`` is dotted; ``for_object`` names the part of the object that it lies in; ``place`` says more exactly where that is
    (a node, a row, a column); ``suggestion`` is what would be right there.
    """

    model_config = ConfigDict(defer_build=True)

    error_code: str
    field_path: str = ""
    message: str
    reference_value: Any = None
    current_value: Any = None
    for_object: str | None = None
    severity: Severity = Severity.ERROR
    place: dict[str, Any] | None = None
    suggestion: Any = None


class ConfigDiagnostics(BaseModel, Generic[T]):
    """Whether a version is valid, what is wrong with it, and perhaps one that would be right."""

    model_config = ConfigDict(defer_build=True)

    is_valid: bool
    suggested_fix: T | None = None
    issues: list[ConfigDiagnosticIssue] = Field(default_factory=list[ConfigDiagnosticIssue])

    def summary(self) -> str:
        """The first issues as one sentence."""
        if not self.issues:
            return "its check gave no reason"
        shown = "; ".join(f"{issue.field_path}: {issue.message}" if issue.field_path else issue.message for issue in self.issues[:3])
        return shown if len(self.issues) <= 3 else f"{shown}; and {len(self.issues) - 3} more"


class ConfigValidationErrorResponse(BaseModel):
    """What the answer to a request that a version is not valid for holds beside ``detail`` and ``code``."""

    model_config = ConfigDict(defer_build=True)

    error: Literal["ValidationError"] = "ValidationError"
    object_name: str
    object_type: str
    diagnostics: ConfigDiagnostics[Any]


def always_valid(_object_name: str, _config: BaseModel) -> ConfigDiagnostics[Any]:
    """The check of a type whose objects are right as soon as they are read."""
    return ConfigDiagnostics(is_valid=True)
