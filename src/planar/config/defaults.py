"""What holds where nothing is written? The starting points of ``dev`` and ``prod``, before a settings file is merged in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from planar.config.settings import Environment
from planar.security.config import CorsConfig, JWTConfig

LOCAL_CORS_CONFIG = CorsConfig(allow_origins=r"https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?", allow_credentials=True)
"""Pages served from this machine, at any port, with credentials."""

PROD_CORS_CONFIG = CorsConfig()
"""No foreign origin."""

JWT_DISABLED_CONFIG = JWTConfig(enabled=False)
"""No tokens are asked for."""

_DATABASES = {Environment.DEV: "planar_dev.db", Environment.PROD: "planar.db"}
_CORS = {Environment.DEV: LOCAL_CORS_CONFIG, Environment.PROD: PROD_CORS_CONFIG}

WHOLE_SECTIONS = ("db_connections", "storage")
"""Sections that a file replaces and does not merge: half of one database with half of another makes neither."""


def base_settings(environment: Environment) -> dict[str, Any]:
    """What *environment* starts from, as plain data."""
    return {
        "db_connections": {"app": {"driver": "sqlite", "path": _DATABASES[environment]}},
        "app": {"db_connection": "app"},
        "storage": {"backend": "localdir", "directory": ".files"},
        "cors": _CORS[environment].model_dump(),
        "environment": environment.value,
    }


def deep_merge_dicts(source: Mapping[str, Any], destination: Mapping[str, Any]) -> dict[str, Any]:
    """*destination* with *source* over it: mappings are merged key by key, everything else is replaced.

    Returns:
        A new dictionary; neither argument is changed.
    """
    merged = dict(destination)
    for key, value in source.items():
        below = merged.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            merged[key] = deep_merge_dicts(cast("Mapping[str, Any]", value), cast("Mapping[str, Any]", below))
        else:
            merged[key] = value
    return merged


def over_base(override: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a file over those of its environment."""
    kept = {key: value for key, value in base.items() if not (key in WHOLE_SECTIONS and key in override)}
    return deep_merge_dicts(override, kept)
