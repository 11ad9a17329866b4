"""Versions of what users edit: saved, checked, promoted; a run keeps the one that it began with.

The names are loaded at their first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from planar.object_config.choice import chosen_version
    from planar.object_config.choosing import Chosen, VersionChooser
    from planar.object_config.errors import ActiveConfigBroken, ConfigNotFoundError, ConfigValidationError
    from planar.object_config.models import (
        DEFAULT_UUID,
        ConfigDiagnosticIssue,
        ConfigDiagnostics,
        ConfigState,
        ConfigurableObjectType,
        ObjectConfiguration,
        ObjectConfigurationBase,
        ObjectConfigurationPromotion,
        ObjectConfigurationUse,
    )
    from planar.object_config.object_config import ObjectConfigurationIO
    from planar.object_config.registration import ConfigurableType, ConfigurableTypes

__all__ = [
    "DEFAULT_UUID",
    "ActiveConfigBroken",
    "Chosen",
    "ConfigDiagnosticIssue",
    "ConfigDiagnostics",
    "ConfigNotFoundError",
    "ConfigState",
    "ConfigValidationError",
    "ConfigurableObjectType",
    "ConfigurableType",
    "ConfigurableTypes",
    "ObjectConfiguration",
    "ObjectConfigurationBase",
    "ObjectConfigurationIO",
    "ObjectConfigurationPromotion",
    "ObjectConfigurationUse",
    "VersionChooser",
    "chosen_version",
]

_MODULES = {
    "choice": ("chosen_version",),
    "choosing": ("Chosen", "VersionChooser"),
    "errors": ("ActiveConfigBroken", "ConfigNotFoundError", "ConfigValidationError"),
    "models": (
        "DEFAULT_UUID",
        "ConfigDiagnosticIssue",
        "ConfigDiagnostics",
        "ConfigState",
        "ConfigurableObjectType",
        "ObjectConfiguration",
        "ObjectConfigurationBase",
        "ObjectConfigurationPromotion",
        "ObjectConfigurationUse",
    ),
    "object_config": ("ObjectConfigurationIO",),
    "registration": ("ConfigurableType", "ConfigurableTypes"),
}
_HOMES = {name: f"planar.object_config.{module}" for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
