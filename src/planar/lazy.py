"""Which libraries are too heavy to load before they are needed? They are named here, and nowhere else.

Each function loads one on its first call.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any


def upgrade_with_alembic(location: str, attributes: Mapping[str, Any], revision: str = "head") -> None:
    """Apply the migration scripts in the folder *location* up to *revision*.

    Args:
        location: the folder with ``env.py`` and ``versions/``.
        attributes: what ``env.py`` finds in ``context.config.attributes``.
        revision: the one to reach.
    """
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", location.replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes.update(attributes)
    command.upgrade(config, revision)


def boto3() -> Any:
    """The AWS client library, which is not installed with Planar.

    Raises:
        ImportError: it is not installed.
    """
    return import_module("boto3")
