"""How do the application's tables change? `planar db ...`: revisions are written, applied, undone and compared."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path

from planar.app import PlanarApp
from planar.cli.entry import describe_failure, entry_of, load_app
from planar.cli.errors import CommandFailed
from planar.cli.options import DatabaseOptions, apply_config_options, find_entry_file
from planar.clock import utc_now
from planar.config.environment import MIGRATIONS, entry_option
from planar.db.app_migrations import service
from planar.db.app_migrations.history import History, Revision
from planar.db.app_migrations.service import Project
from planar.db.errors import DatabaseUnavailable
from planar.errors import PlanarError
from planar.modeling.metadata import PLANAR_APPLICATION_METADATA

NOT_COMPARED = 3
"""The exit code of `check` if nothing can be said."""


def init(options: DatabaseOptions) -> int:
    """Make the folder for revisions."""
    project = _project(options)
    service.begin(project.folder, project.entry)
    print(f'Made {project.folder}. Write the first revision with: planar db revision -m "first tables"{project.entry}')
    return 0


def revision(options: DatabaseOptions) -> int:
    """Write a revision."""
    project = _project(options)
    if options.empty and options.merge:
        raise CommandFailed("Give --empty or --merge, not both: a revision that joins two does nothing else.")
    path = asyncio.run(service.revise(project, options.message, utc_now(), empty=options.empty, merge=options.merge))
    if path is None:
        print("Nothing to do: the classes and the database do not differ.")
        return 0
    print(f"Wrote {path}. Read and correct it, then run: planar db upgrade{project.entry}{project.where}")
    return 0


def upgrade(options: DatabaseOptions) -> int:
    """Apply what is missing."""
    done: list[Revision] = []
    asyncio.run(service.upgrade(_project(options), options.target, _telling("Applied", done), adopt=options.adopt))
    if not done:
        print("Nothing to do.")
    return 0


def downgrade(options: DatabaseOptions) -> int:
    """Undo what was applied, after asking."""
    project = _project(options)
    history = project.history()
    target = history.find(options.target)
    undone = history.to_undo(asyncio.run(service.current(project)), target)
    if undone and not options.yes:
        print("These revisions are undone, and what they made is lost with all that it holds:")
        for each in undone:
            print(f"  {_line(each)}")
        if not _agreed():
            raise CommandFailed("Nothing was undone. Give --yes to undo without being asked.")
    done: list[Revision] = []
    asyncio.run(service.downgrade(project, options.target, _telling("Undone", done)))
    if not done:
        print("Nothing to do.")
    return 0


def stamp(options: DatabaseOptions) -> int:
    """Note a revision without applying anything."""
    revision = asyncio.run(service.stamp(_project(options), options.target, forget=options.force))
    print(f"The database is noted to have revision {revision}." if revision else "The database is noted to have no revision.")
    return 0


def current(options: DatabaseOptions) -> int:
    """Print what the database has."""
    project = _project(options)
    history, stored = project.history(), asyncio.run(service.current(project))
    if not stored:
        print("The database has no revision.")
    for identity in stored:
        found = history.revisions.get(identity)
        print(_line(found) + (" (newest)" if identity in history.heads else "") if found else f"{identity} is not in {project.folder}")
    return 0


def history(options: DatabaseOptions) -> int:
    """Print all revisions, the newest first, with what is applied."""
    project = _project(options)
    found = project.history()
    try:
        applied: frozenset[str] | None = found.applied(asyncio.run(service.current(project)))
    except DatabaseUnavailable as error:
        print(f"What is applied is not known: {error}", file=sys.stderr)
        applied = None
    for line in history_lines(found, applied):
        print(line)
    return 0


def history_lines(found: History, applied: frozenset[str] | None) -> list[str]:
    """A line for each revision; without *applied* it is not known what is."""
    lines: list[str] = []
    for each in reversed(list(found.revisions.values())):
        state = "" if applied is None else "applied  " if each.id in applied else "pending  "
        joined = f" (joins {' and '.join(each.parents)})" if len(each.parents) > 1 else ""
        lines.append(f"{state}{_line(each)}{joined}")
    return lines or ["There are no revisions."]


def check(options: DatabaseOptions) -> int:
    """Compare revisions, database and classes; 1 if they differ, 3 if that cannot be said."""
    try:
        found = asyncio.run(service.check(_project(options)))
    except PlanarError as error:
        if options.as_json:
            print(json.dumps({"ok": False, "error": {"code": error.code, "message": str(error)}}, indent=2, ensure_ascii=False))
        print(f"Error: {error}", file=sys.stderr)
        return NOT_COMPARED
    if options.as_json:
        print(json.dumps({"ok": not found, "findings": [each.for_machines() for each in found]}, indent=2, ensure_ascii=False))
    else:
        lines = [f"{each.summary} [{each.code}]\n  run: {each.command}" for each in found]
        print("\n".join(lines or ["The database is as the classes say, and has all revisions."]))
    return 1 if found else 0


def sql(options: DatabaseOptions) -> int:
    """Print the statements of an upgrade."""
    project = _project(options)
    dialect = options.dialect or project.url.get_backend_name()
    print(asyncio.run(service.sql(project, dialect, options.target)), end="")
    return 0


def _project(options: DatabaseOptions) -> Project:
    """The app's settings are its own, so it is imported: what it prints must not come between the lines of a command."""
    apply_config_options(options)
    path = find_entry_file(options.path, Path.cwd())
    entry = entry_of(path, Path.cwd())
    try:
        with redirect_stdout(sys.stderr):
            app = load_app(entry, options.variable)
    except PlanarError:
        raise
    except Exception as error:
        raise CommandFailed(f"{entry.path} cannot be imported.\n{describe_failure(error)}") from error
    if not isinstance(app, PlanarApp):
        raise CommandFailed(f"{options.variable!r} in {entry.path} is of type {type(app).__name__}, not a PlanarApp.")
    folder = app.config.app.migrations or path.parent / MIGRATIONS
    where = f" --env {options.environment}" if options.environment else ""
    url, tables = app.config.connection_url(), [PLANAR_APPLICATION_METADATA]
    return Project(folder.absolute(), url, tables, options.lock_seconds, where, entry_option(path))


def _telling(verb: str, done: list[Revision]) -> Callable[[Revision], None]:
    def told(revision: Revision) -> None:
        done.append(revision)
        print(f"{verb} {_line(revision)}", flush=True)

    return told


def _line(revision: Revision) -> str:
    return f"{revision.id} {revision.message}".rstrip()


def _agreed() -> bool:
    if not sys.stdin.isatty():
        return False
    print("Go on? [y/N] ", end="", flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
