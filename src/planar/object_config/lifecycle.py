"""Which states has a version, and what leads from one to another? Pure.

::

    draft ──validated──> validated ──promoted──> active ──replaced──> retired
      └───────────────────promoted─────────────────┘ └──────promoted─────┘

A promotion checks, so a draft may be promoted directly; one that does not fit stays what it is.
"""

from __future__ import annotations

from enum import StrEnum


class ConfigState(StrEnum):
    """Where a version stands. At most one of an object is active; if none is, the code's own is used."""

    DRAFT = "draft"
    """Saved; nobody has found that it fits the code."""
    VALIDATED = "validated"
    """It was found to fit, and was never active."""
    ACTIVE = "active"
    """It is the one that is used."""
    RETIRED = "retired"
    """It was active once, and another one, or the code's, has taken its place."""


def checked(state: ConfigState, *, is_valid: bool) -> ConfigState:
    """The state after a check. What was ever active keeps its place: it is shown as broken instead."""
    if state in (ConfigState.ACTIVE, ConfigState.RETIRED):
        return state
    return ConfigState.VALIDATED if is_valid else ConfigState.DRAFT


def promoted(state: ConfigState) -> ConfigState:
    """The state after a promotion, which every state allows."""
    return ConfigState.ACTIVE


def replaced(state: ConfigState) -> ConfigState:
    """The state after another version, or the code's, became the one that is used."""
    return ConfigState.RETIRED if state is ConfigState.ACTIVE else state


def is_deletable(state: ConfigState) -> bool:
    """Whether no run can ever have used it."""
    return state in (ConfigState.DRAFT, ConfigState.VALIDATED)
