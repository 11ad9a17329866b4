"""`planar files ...`: names, arguments and options."""

from __future__ import annotations

from typing import Annotated

import typer

from planar.cli.options import FileOptions
from planar.cli.parameters import AppPath, AsJson, ConfigFile, EnvironmentName
from planar.cli.targets import end_with

COLLECT_FILES = "planar.cli.file_commands:collect"
LIST_FILES = "planar.cli.file_commands:list_all"

files_app = typer.Typer(help="Look after an app's files: list them, and remove bytes that belong to none.", no_args_is_help=True)


@files_app.command("gc")
def collect_files(
    path: AppPath = None,
    environment: EnvironmentName = None,
    config: ConfigFile = None,
    older_than: Annotated[str, typer.Option(help="Leave alone what is newer: 90s, 30m, 1h or 7d.")] = "1h",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Remove also if that is more than what has a record.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove stored bytes without a record: of steps that were not committed, of processes that died, of deleted files."""
    end_with(COLLECT_FILES, FileOptions(environment, path, config, as_json, older_than, dry_run, yes))


@files_app.command("list")
def list_files(
    path: AppPath = None,
    environment: EnvironmentName = None,
    config: ConfigFile = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many at most.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List an app's files, newest first."""
    end_with(LIST_FILES, FileOptions(environment, path, config, as_json, limit=limit))
