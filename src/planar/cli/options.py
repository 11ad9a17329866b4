"""What was typed, and what does it mean for the process? Paths are checked and the environment variables set here."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from planar.cli.errors import CommandFailed

ENTRY_NAMES = ("app.py", "main.py")
"""As `planar.config.environment` has them, which is not loaded here: to print a help text takes no framework."""


@dataclass(frozen=True)
class ServeOptions:
    """What `planar dev` and `planar prod` were given."""

    environment: str
    path: Path | None
    host: str
    port: int
    config: Path | None
    variable: str
    script: bool
    works: bool = True
    """Whether runs are executed here as well."""
    processes: int = 1


@dataclass(frozen=True)
class WorkOptions:
    """What `planar worker` was given."""

    environment: str
    path: Path | None
    config: Path | None
    variable: str
    concurrency: int | None
    """How many runs each process advances at once; None leaves it to the settings."""
    processes: int
    health_host: str
    health_port: int | None


@dataclass(frozen=True)
class ConfigOptions:
    """What `planar config ...` was given."""

    environment: str | None
    path: Path | None
    config: Path | None


class FailOn(StrEnum):
    """From which severity on `planar doctor` ends with a code other than 0."""

    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class DoctorOptions:
    """What `planar doctor` was given."""

    environment: str | None
    path: Path | None
    config: Path | None
    as_json: bool
    fail_on: FailOn
    load_app: bool
    variable: str


@dataclass(frozen=True)
class FileOptions:
    """What `planar files ...` was given."""

    environment: str | None
    path: Path | None
    config: Path | None
    as_json: bool = False
    older_than: str = "1h"
    dry_run: bool = False
    confirmed: bool = False
    """Whether to remove also what looks like a mistake: more than what has a record."""
    limit: int = 100


@dataclass(frozen=True)
class DatabaseOptions:
    """What `planar db ...` was given; what a command does not take is as here."""

    environment: str | None
    path: Path | None
    config: Path | None
    variable: str
    lock_seconds: float = 5.0
    message: str = ""
    target: str = "head"
    empty: bool = False
    merge: bool = False
    adopt: bool = False
    force: bool = False
    yes: bool = False
    as_json: bool = False
    dialect: str | None = None


@dataclass(frozen=True)
class ListOptions:
    """What every command was given that works in an app without serving it."""

    environment: str | None
    path: Path | None
    config: Path | None
    variable: str
    as_json: bool = False


@dataclass(frozen=True)
class TransferOptions:
    """What `planar entities import` and `planar entities export` were given."""

    base: ListOptions
    entity: str
    file: str
    format: str | None
    delimiter: str
    safe: bool
    mode: str = "create"
    match: str | None = None
    dry_run: bool = False
    filters: tuple[str, ...] = ()
    sort: str | None = None
    fields: str | None = None


@dataclass(frozen=True)
class PruneOptions:
    """What `planar entities prune-history` was given."""

    base: ListOptions
    days: int


def find_entry_file(path: Path | None, folder: Path) -> Path:
    """The absolute path of the file with the app: *path*, else the first of ``app.py`` and ``main.py`` in *folder*.

    Raises:
        CommandFailed: there is no such file.
    """
    if path is not None:
        if not path.is_file():
            raise CommandFailed(f"Specified app path {path} not found or is not a file")
        return Path(os.path.abspath(path))
    for name in ENTRY_NAMES:
        if (folder / name).is_file():
            return folder / name
    raise CommandFailed(
        f"Could not find app.py or main.py in {folder}. Give the file: planar dev path/to/file.py, planar db ... --path path/to/file.py"
    )


def apply_serving(options: ServeOptions | WorkOptions) -> Path:
    """Set the variables by which the app finds its settings.

    Returns:
        The absolute path of the file with the app.

    Raises:
        CommandFailed: a file that was named does not exist.
    """
    _apply_config(options.config)
    entry = find_entry_file(options.path, Path.cwd())
    os.environ["PLANAR_ENV"] = options.environment
    os.environ["PLANAR_ENTRY_POINT"] = str(entry)
    return entry


def apply_config_options(options: ConfigOptions | DoctorOptions | DatabaseOptions | FileOptions | ListOptions) -> None:
    """Set the variables by which the settings are found. Without a path, and without an app here, there is no entry point.

    Raises:
        CommandFailed: a file that was named does not exist.
    """
    _apply_config(options.config)
    if options.environment is not None:
        os.environ["PLANAR_ENV"] = options.environment
    if options.path is not None:
        os.environ["PLANAR_ENTRY_POINT"] = str(find_entry_file(options.path, Path.cwd()))


def _apply_config(config: Path | None) -> None:
    if config is None:
        return
    if not config.is_file():
        raise CommandFailed(f"Config file {config} not found")
    os.environ["PLANAR_CONFIG"] = os.path.abspath(config)
