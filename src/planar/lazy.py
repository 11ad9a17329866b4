"""Which libraries are too heavy to load before they are needed? They are named here, and nowhere else.

Each function loads one on its first call.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib import import_module
from importlib.util import LazyLoader, find_spec, module_from_spec
from types import ModuleType
from typing import Any


def yaml() -> ModuleType:
    """The YAML library: many programs build their settings in code."""
    return at_first_use("yaml")


def dotenv() -> ModuleType:
    """The reader of ``.env`` files."""
    return at_first_use("dotenv")


def asyncpg() -> ModuleType:
    """The driver of PostgreSQL: most programs begin on SQLite."""
    return at_first_use("asyncpg")


def httpx2() -> ModuleType:
    """The HTTP client: most apps call nobody."""
    return at_first_use("httpx2")


def at_first_use(name: str) -> ModuleType:
    """The module *name*, which is loaded when something in it is asked for: a heavy library, or a part of ours that uses one."""
    loaded = sys.modules.get(name)
    if loaded is not None:
        return loaded
    spec = find_spec(name)
    if spec is None or spec.loader is None:
        raise ImportError(f"{name} is not installed, though Planar needs it: install planar again.")
    spec.loader = LazyLoader(spec.loader)
    module = module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def load_alembic() -> None:
    """Load what `upgrade_with_alembic` uses, for whoever is about to take a lock that others wait for."""
    import_module("alembic.command")


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


def obstore() -> Any:
    """The client of object stores, which comes with the extra ``storage``.

    Raises:
        ImportError: it is not installed.
    """
    return import_module("obstore")


def zen() -> Any:
    """The engine of decision rules: many apps have none."""
    return import_module("zen")
