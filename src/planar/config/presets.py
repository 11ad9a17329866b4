"""How is a configuration made without a file? From the path of a SQLite file, or from a URL."""

from __future__ import annotations

from pathlib import Path

from pydantic import ValidationError
from sqlalchemy.engine import URL

from planar.config.defaults import PROD_CORS_CONFIG
from planar.config.errors import InvalidConfigurationError
from planar.config.problems import describe
from planar.config.settings import PlanarConfig


def sqlite_config(db_path: str | Path) -> PlanarConfig:
    """A configuration for the SQLite file *db_path* (``":memory:"`` for a private temporary one), in ``dev``, without foreign
    origins, tokens or authorization."""
    return single_connection({"driver": "sqlite", "path": str(db_path)})


def connection_string_config(url: str | URL) -> PlanarConfig:
    """A configuration for the database at *url*, otherwise as `sqlite_config`.

    Raises:
        InvalidConfigurationError: *url* is not the URL of a SQLite or PostgreSQL database.
    """
    return single_connection(url)


def single_connection(connection: object) -> PlanarConfig:
    """A configuration of one database, given as in ``db_connections``; the rest as in `sqlite_config`.

    Raises:
        InvalidConfigurationError: *connection* is none.
    """
    data = {
        "db_connections": {"app": connection},
        "app": {"db_connection": "app"},
        "cors": PROD_CORS_CONFIG.model_dump(),
        "environment": "dev",
    }
    try:
        return PlanarConfig.model_validate(data)
    except ValidationError as error:
        raise InvalidConfigurationError(describe(error, PlanarConfig, data, None)) from None
