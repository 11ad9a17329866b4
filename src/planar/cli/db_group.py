"""`planar db ...`: names, arguments and options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from planar.cli.options import DatabaseOptions
from planar.cli.parameters import AsJson, ConfigFile, EnvironmentName, Variable
from planar.cli.targets import end_with

DB = "planar.cli.db_commands:"
DB_COMMANDS = ("init", "revision", "upgrade", "downgrade", "stamp", "current", "history", "check", "sql")

db_app = typer.Typer(help="Change the application's own tables, by revisions; nothing is altered in any other way.", no_args_is_help=True)

DbPath = Annotated[Path | None, typer.Option("--path", help="The file with the app. Without it: app.py, then main.py.")]
Target = Annotated[
    str, typer.Argument(metavar="[REVISION]", help="The revision to reach: an id, its beginning, or head.", show_default=True)
]
Required = Annotated[str, typer.Argument(metavar="REVISION", help="A revision: an id, its beginning, head, or base for none.")]
Range = Annotated[str, typer.Argument(metavar="[FROM:TO]", help="Where it starts and ends; without FROM with an empty database.")]
Message = Annotated[str, typer.Option("--message", "-m", help="What changed, in a few words.")]
Autogenerate = Annotated[
    bool, typer.Option("--autogenerate/--empty", help="Write what differs; or nothing, for changes that only you know.")
]
Merge = Annotated[bool, typer.Option("--merge", help="Join the newest revisions, where two branches each added one.")]
Adopt = Annotated[bool, typer.Option("--adopt", help="Take tables that no revision made as they are, if they are as the classes say.")]
LockSeconds = Annotated[
    float,
    typer.Option("--lock-timeout", min=0.1, help="Seconds that a statement may wait for a lock on PostgreSQL, and keep others waiting."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Force = Annotated[bool, typer.Option("--force", help="Also where the database has a revision that is not known here.")]
DialectName = Annotated[
    Literal["sqlite", "postgresql"] | None, typer.Option("--dialect", help="For which database. Without it: the app's.")
]


@db_app.command("init")
def init_db(path: DbPath = None, environment: EnvironmentName = None, config: ConfigFile = None, variable: Variable = "app") -> None:
    """Make the folder for revisions, `migrations` beside the file with the app."""
    end_with(DB + "init", DatabaseOptions(environment, path, config, variable))


@db_app.command("revision")
def revise_db(
    message: Message,
    path: DbPath = None,
    environment: EnvironmentName = None,
    config: ConfigFile = None,
    variable: Variable = "app",
    autogenerate: Autogenerate = True,
    merge: Merge = False,
) -> None:
    """Write a revision: what leads from the database to the classes. Read and correct it before it is applied."""
    end_with(DB + "revision", DatabaseOptions(environment, path, config, variable, message=message, empty=not autogenerate, merge=merge))


@db_app.command("upgrade")
def upgrade_db(
    revision: Target = "head",
    path: DbPath = None,
    environment: EnvironmentName = None,
    config: ConfigFile = None,
    variable: Variable = "app",
    adopt: Adopt = False,
    lock_seconds: LockSeconds = 5.0,
) -> None:
    """Apply the revisions that are missing, each in a transaction of its own."""
    options = DatabaseOptions(environment, path, config, variable, target=revision, adopt=adopt, lock_seconds=lock_seconds)
    end_with(DB + "upgrade", options)


@db_app.command("downgrade")
def downgrade_db(
    revision: Required,
    path: DbPath = None,
    environment: EnvironmentName = None,
    config: ConfigFile = None,
    variable: Variable = "app",
    yes: Yes = False,
    lock_seconds: LockSeconds = 5.0,
) -> None:
    """Undo the revisions after one; `base` undoes all. What they made is lost with all that it holds."""
    options = DatabaseOptions(environment, path, config, variable, target=revision, yes=yes, lock_seconds=lock_seconds)
    end_with(DB + "downgrade", options)


@db_app.command("stamp")
def stamp_db(
    revision: Required,
    path: DbPath = None,
    environment: EnvironmentName = None,
    config: ConfigFile = None,
    variable: Variable = "app",
    force: Force = False,
) -> None:
    """Note that the database has a revision, without applying anything: for tables that were made by other means."""
    end_with(DB + "stamp", DatabaseOptions(environment, path, config, variable, target=revision, force=force))


@db_app.command("current")
def current_db(path: DbPath = None, environment: EnvironmentName = None, config: ConfigFile = None, variable: Variable = "app") -> None:
    """Print the revision that the database has."""
    end_with(DB + "current", DatabaseOptions(environment, path, config, variable))


@db_app.command("history")
def history_db(path: DbPath = None, environment: EnvironmentName = None, config: ConfigFile = None, variable: Variable = "app") -> None:
    """Print all revisions, the newest first, and which are applied."""
    end_with(DB + "history", DatabaseOptions(environment, path, config, variable))


@db_app.command("check")
def check_db(
    path: DbPath = None,
    environment: EnvironmentName = None,
    config: ConfigFile = None,
    variable: Variable = "app",
    as_json: AsJson = False,
) -> None:
    """Compare revisions, database and classes; exit code 1 if they differ, 3 if that cannot be said. Nothing is changed."""
    end_with(DB + "check", DatabaseOptions(environment, path, config, variable, as_json=as_json))


@db_app.command("sql")
def sql_db(
    revisions: Range = "head",
    path: DbPath = None,
    environment: EnvironmentName = None,
    config: ConfigFile = None,
    variable: Variable = "app",
    dialect: DialectName = None,
) -> None:
    """Print the statements of an upgrade, for somebody else to execute. No database is needed."""
    end_with(DB + "sql", DatabaseOptions(environment, path, config, variable, target=revisions, dialect=dialect))
