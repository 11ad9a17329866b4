"""Decisions that people edit: a function decides, until a graph is promoted that decides in its place.

The names are loaded at their first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from planar.rules.decorator import rule
    from planar.rules.models import Rule, RuleSerializeable

__all__ = ["Rule", "RuleSerializeable", "rule"]

_HOMES = {"rule": "planar.rules.decorator", "Rule": "planar.rules.models", "RuleSerializeable": "planar.rules.models"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
