"""What can be typed after `planar entities`? Names, arguments and options only."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from planar.cli.options import ListOptions, PruneOptions, TransferOptions
from planar.cli.parameters import AsJson, ConfigFile, Variable
from planar.cli.targets import end_with

LIST_ENTITIES = "planar.cli.entity_commands:list_entities"
IMPORT_ENTITIES = "planar.cli.entity_commands:import_entities"
EXPORT_ENTITIES = "planar.cli.entity_commands:export_entities"
PRUNE_HISTORY = "planar.cli.entity_commands:prune"
ENTITY_TARGETS = (LIST_ENTITIES, IMPORT_ENTITIES, EXPORT_ENTITIES, PRUNE_HISTORY)

entities_app = typer.Typer(help="Bring rows of an app's entities in and out as files.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(metavar="ENTITY", help="The name of the entity.")]
Source = Annotated[str, typer.Argument(metavar="FILE", help="The file; - is what comes in.")]
Goal = Annotated[str, typer.Argument(metavar="FILE", help="The file; - is what goes out.")]
AppPath = Annotated[Path | None, typer.Option("--path", help="The file with the app. Without it: app.py, then main.py.")]
Environment = Annotated[Literal["dev", "prod"] | None, typer.Option("--env", help="Whose settings. Without it: PLANAR_ENV, else dev.")]
FormatName = Annotated[
    Literal["csv", "jsonl"] | None, typer.Option("--format", help="How the file is written. Without it: as its name ends, else csv.")
]
DelimiterName = Annotated[
    Literal["auto", "comma", "semicolon", "tab", "pipe"], typer.Option("--delimiter", help="What stands between the cells of CSV.")
]
Safe = Annotated[bool, typer.Option("--safe", help="Texts that a spreadsheet would take for formulas have an apostrophe before them.")]


@entities_app.command("list")
def list_entities(
    path: AppPath = None,
    variable: Variable = "app",
    config: ConfigFile = None,
    environment: Environment = None,
    as_json: AsJson = False,
) -> None:
    """Print the entities that an app serves, with how many rows they have."""
    end_with(LIST_ENTITIES, ListOptions(environment, path, config, variable, as_json))


@entities_app.command("import")
def import_entities(
    name: Name,
    file: Source,
    mode: Annotated[Literal["create", "update", "upsert"], typer.Option(help="Whether lines are new rows, changes, or either.")] = "create",
    match: Annotated[str | None, typer.Option(help="The field by which rows are found. Without it: the key.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Do everything, tell of it, and undo it.")] = False,
    format: FormatName = None,
    delimiter: DelimiterName = "auto",
    safe: Safe = False,
    path: AppPath = None,
    variable: Variable = "app",
    config: ConfigFile = None,
    environment: Environment = None,
    as_json: AsJson = False,
) -> None:
    """Make or change rows from a file: all of them, or none. Exit code 3 if lines do not fit."""
    base = ListOptions(environment, path, config, variable, as_json)
    end_with(IMPORT_ENTITIES, TransferOptions(base, name, file, format, delimiter, safe, mode=mode, match=match, dry_run=dry_run))


@entities_app.command("export")
def export_entities(
    name: Name,
    file: Goal = "-",
    filters: Annotated[list[str] | None, typer.Option("--filter", help="field:operator:value; may be given several times.")] = None,
    sort: Annotated[str | None, typer.Option(help="Fields separated by commas; a minus before one: largest first.")] = None,
    fields: Annotated[str | None, typer.Option(help="The fields to write, separated by commas.")] = None,
    format: FormatName = None,
    delimiter: DelimiterName = "auto",
    safe: Safe = False,
    path: AppPath = None,
    variable: Variable = "app",
    config: ConfigFile = None,
    environment: Environment = None,
) -> None:
    """Write the rows of an entity to a file, as they are at one moment."""
    base = ListOptions(environment, path, config, variable)
    chosen = TransferOptions(base, name, file, format, delimiter, safe, filters=tuple(filters or ()), sort=sort, fields=fields)
    end_with(EXPORT_ENTITIES, chosen)


@entities_app.command("prune-history")
def prune_history(
    older_than: Annotated[int, typer.Option("--older-than", min=1, help="Days. Changes before that are forgotten.")],
    path: AppPath = None,
    variable: Variable = "app",
    config: ConfigFile = None,
    environment: Environment = None,
) -> None:
    """Forget old changes of all entities."""
    end_with(PRUNE_HISTORY, PruneOptions(ListOptions(environment, path, config, variable), older_than))
