"""A type of objects that users edit, and an app that has it."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from planar import PlanarApp
from planar.object_config import ConfigDiagnosticIssue, ConfigDiagnostics, ConfigurableType, ObjectConfigurationIO

NAMES = ("limits", "prices", "greeting")


class Limits(BaseModel):
    """What users edit here."""

    ceiling: int = 100
    rows: list[dict[str, Any]] = Field(default_factory=list[dict[str, Any]], alias="lines")


def check(_name: str, config: Limits) -> ConfigDiagnostics[Limits]:
    """A ceiling is not below zero."""
    if config.ceiling >= 0:
        return ConfigDiagnostics(is_valid=True)
    issue = ConfigDiagnosticIssue(error_code="BELOW_ZERO", field_path="ceiling", message="is below zero", current_value=config.ceiling)
    return ConfigDiagnostics(is_valid=False, suggested_fix=Limits(), issues=[issue])


LIMITS = ObjectConfigurationIO(Limits, "limits", check)


def default(name: str) -> Limits | None:
    """The code's own version."""
    return Limits() if name in NAMES else None


def have_limits(app: PlanarApp) -> None:
    """Register the type."""
    app.register_configurable(ConfigurableType(LIMITS, default))
