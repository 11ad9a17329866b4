"""Which environment is this, and where are its files? Reads ``PLANAR_ENV``, ``PLANAR_CONFIG`` and ``PLANAR_ENTRY_POINT``."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from planar import lazy
from planar.config.errors import InvalidConfigurationError
from planar.config.settings import Environment

if TYPE_CHECKING:
    import dotenv
else:
    dotenv = lazy.dotenv()


ENTRY_NAMES = ("app.py", "main.py")
"""How the file with the app is called, best first, if a command is not given it."""

MIGRATIONS = "migrations"
"""The name of the folder with the revisions of an application's tables."""


def get_environment() -> Environment:
    """The environment named by ``PLANAR_ENV``; ``dev`` if it is not set.

    Raises:
        InvalidConfigurationError: it names none that exists.
    """
    named = os.environ.get("PLANAR_ENV") or Environment.DEV.value
    try:
        return Environment(named)
    except ValueError:
        raise InvalidConfigurationError(f"PLANAR_ENV is {named!r}; it must be one of: {', '.join(Environment)}.") from None


def home_directory() -> Path:
    """What relative paths start from where no file says otherwise: the entry point's directory, else the current one."""
    entry = os.environ.get("PLANAR_ENTRY_POINT")
    return Path(entry).absolute().parent if entry else Path.cwd()


def migrations_beside_app() -> Path | None:
    """Where an app keeps its revisions if its settings say nothing: beside its file; None if no command said which file that is."""
    return home_directory() / MIGRATIONS if os.environ.get("PLANAR_ENTRY_POINT") else None


def entry_option(entry: Path | None = None) -> str:
    """The option by which `planar db` finds the file with the app, with a space before it; nothing if it finds it by itself.

    Args:
        entry: the file; by default the one that a command was started with.
    """
    named = entry or os.environ.get("PLANAR_ENTRY_POINT")
    if not named:
        return ""
    path, folder = Path(named).absolute(), Path.cwd()
    if path == next((folder / name for name in ENTRY_NAMES if (folder / name).is_file()), None):
        return ""
    return f" --path {shlex.quote(str(path.relative_to(folder) if path.is_relative_to(folder) else path))}"


def config_candidates() -> list[Path]:
    """Where a settings file is looked for, best first, if ``PLANAR_CONFIG`` does not name it."""
    environment = get_environment()
    return [folder / name for folder in _folders() for name in (f"planar.{environment}.yaml", "planar.yaml")]


def get_config_path() -> Path | None:
    """The settings file to use, or None if there is none.

    Raises:
        InvalidConfigurationError: ``PLANAR_CONFIG`` names a file that does not exist.
    """
    named = os.environ.get("PLANAR_CONFIG")
    if named:
        if not Path(named).is_file():
            raise InvalidConfigurationError(f"Configuration file not found: {named} (named by PLANAR_CONFIG)")
        return Path(named)
    return next((path for path in config_candidates() if path.is_file()), None)


def load_environment_aware_env_vars() -> Path | None:
    """Put the variables of the first ``.env`` file found into the process; those that it already has win.

    Looked for beside the entry point and then in the current directory, ``.env.{environment}`` before ``.env``.

    Returns:
        The file that was read, or None.

    Raises:
        InvalidConfigurationError: the file cannot be read.
    """
    environment = get_environment()
    candidates = (folder / name for folder in _folders() for name in (f".env.{environment}", ".env"))
    path = next((path for path in candidates if path.is_file()), None)
    if path is None:
        return None
    try:
        values = dotenv.dotenv_values(path)
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidConfigurationError(f"{path} cannot be read: {error.__class__.__name__}") from None
    for name, value in values.items():
        if value is not None:
            os.environ.setdefault(name, value)
    return path


def _folders() -> Iterator[Path]:
    yield home_directory()
    if home_directory() != Path.cwd():
        yield Path.cwd()
