"""Planar: typed entities, durable workflows and an HTTP API for business services, in a few files of Python.

Names are resolved on first access, so that ``import planar`` costs next to nothing and the command line starts at once.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from planar.app import PlanarApp
    from planar.config import (
        AppConfig,
        DatabaseConfig,
        InvalidConfigurationError,
        PlanarConfig,
        PostgreSQLConfig,
        SQLiteConfig,
        load_config,
        sqlite_config,
    )
    from planar.session import get_session

__all__ = [
    "AppConfig",
    "DatabaseConfig",
    "InvalidConfigurationError",
    "PlanarApp",
    "PlanarConfig",
    "PostgreSQLConfig",
    "SQLiteConfig",
    "get_session",
    "load_config",
    "sqlite_config",
]

_HOMES = {"PlanarApp": "planar.app", "get_session": "planar.session"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'planar' has no attribute {name!r}")
    value = getattr(import_module(_HOMES.get(name, "planar.config")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
