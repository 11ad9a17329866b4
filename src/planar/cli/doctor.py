"""Is everything well with an app's database? `planar doctor` connects, reads, and tells; it changes nothing."""

from __future__ import annotations

import asyncio
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from planar.app import PlanarApp
from planar.cli.database import existing_database
from planar.cli.doctor_report import Report, exit_code, print_failure, print_report
from planar.cli.entry import describe_failure, entry_of, load_app
from planar.cli.errors import CommandFailed
from planar.cli.options import DoctorOptions, apply_config_options, find_entry_file
from planar.config import PlanarConfig, load_environment_aware_config
from planar.config.environment import MIGRATIONS, Environment, entry_option
from planar.db.app_migrations.starting import StartPolicy, examine_application, how_missing_tables_come
from planar.db.errors import DatabaseUnavailable
from planar.db.manager import DatabaseManager
from planar.db.tables import compare_application_tables
from planar.engine.doctor.diagnosis import Answer
from planar.engine.doctor.examination import PAUSE_SECONDS, examine
from planar.engine.doctor.limits import Limits
from planar.engine.store.facts import ApplicationFacts, Facts
from planar.engine.store.inspecting import read_facts
from planar.errors import PlanarError
from planar.modeling.metadata import PLANAR_APPLICATION_METADATA

CONNECT_SECONDS = 10.0

NOT_EXAMINED = 3
"""The exit code if nothing can be said: the settings cannot be used, or the database cannot be reached."""


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose database is examined; *workflows* are those of its code, if that was loaded."""

    config: PlanarConfig
    workflows: frozenset[str] | None = None
    folder: Path | None = None
    """Where the revisions of its tables are, if its code was loaded and has any."""
    entry: str = ""
    """The option by which `planar db` finds its file."""


def run_doctor(options: DoctorOptions) -> int:
    """Print what was found, and answer how bad it is: see `exit_code`; 3 if nothing could be examined."""
    try:
        subject = _load(options)
        manager = DatabaseManager(existing_database(subject.config.connection_url()), pool=subject.config.pool())
        answers, facts = asyncio.run(_examine(manager, subject))
    except PlanarError as error:
        print_failure(error.code, str(error), as_json=options.as_json)
        return NOT_EXAMINED
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or error
        print_failure("database_error", f"The database could not be read: {cause}", as_json=options.as_json)
        return NOT_EXAMINED
    code = exit_code(answers, options.fail_on)
    print_report(Report(manager.url.render_as_string(), facts.now, answers, code), as_json=options.as_json)
    return code


def _load(options: DoctorOptions) -> Subject:
    apply_config_options(options)
    if not options.load_app:
        return Subject(load_environment_aware_config())
    entry = entry_of(find_entry_file(options.path, Path.cwd()), Path.cwd())
    try:
        # What the app's code prints must not come between the report's lines, or into its JSON.
        with redirect_stdout(sys.stderr):
            app = load_app(entry, options.variable)
    except PlanarError:
        raise
    except Exception as error:
        raise CommandFailed(f"{entry.path} cannot be imported.\n{describe_failure(error)}") from error
    if not isinstance(app, PlanarApp):
        raise CommandFailed(f"{options.variable!r} in {entry.path} is of type {type(app).__name__}, not a PlanarApp.")
    return Subject(app.config, app.registry.names(), app.config.app.migrations or entry.path.parent / MIGRATIONS, entry_option(entry.path))


async def _examine(manager: DatabaseManager, subject: Subject) -> tuple[list[Answer], Facts]:
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            await manager.connect()
    except TimeoutError:
        address = manager.url.render_as_string()
        raise DatabaseUnavailable(f"The database {address} did not answer within {CONNECT_SECONDS:.0f} s.") from None
    looks: list[Facts] = []

    async def look() -> Facts:
        looks.append(await _read(manager, subject))
        return looks[-1]

    try:
        return await examine(look, Limits(), PAUSE_SECONDS), looks[-1]
    finally:
        await manager.disconnect()


async def _read(manager: DatabaseManager, subject: Subject) -> Facts:
    facts = await read_facts(manager, subject.config.workflows.lease_seconds)
    if subject.workflows is None:
        return facts
    missing, differences = await compare_application_tables(manager.get_engine(), PLANAR_APPLICATION_METADATA)
    present = [table.fullname for table in PLANAR_APPLICATION_METADATA.sorted_tables if table not in missing]
    tables = tuple(table.fullname for table in missing)
    environment = subject.config.environment
    allow_newer = subject.config.app.allow_newer_database
    policy = StartPolicy(subject.folder, environment is Environment.PROD, allow_newer, f" --env {environment}", subject.entry)
    found = await examine_application(manager.get_engine(), [PLANAR_APPLICATION_METADATA], policy)
    migrations = None if found is None else tuple((finding.summary, finding.command) for finding in found)
    remedy = how_missing_tables_come(policy, present, tables)
    return replace(facts, application=ApplicationFacts(subject.workflows, tables, tuple(differences), migrations, remedy))
