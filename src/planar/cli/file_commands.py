"""Which files does an app have, and which bytes belong to none? `planar files list` and `planar files gc`."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import timedelta
from typing import TypeVar

from planar.cli.database import existing_database
from planar.cli.errors import CommandFailed
from planar.cli.options import FileOptions, apply_config_options
from planar.clock import SYSTEM_CLOCK
from planar.config import PlanarConfig, load_environment_aware_config
from planar.db.manager import DatabaseManager
from planar.files.collecting import CollectionReport, collect_orphans
from planar.files.errors import FilesNotAvailable
from planar.files.queries import FileFilter, list_files
from planar.files.storage.opening import create_from_config

T = TypeVar("T")

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def collect(options: FileOptions) -> int:
    """Remove what no record needs, and print how much that was.

    Raises:
        CommandFailed: more would be removed than has a record, and nobody said that this is right.
        FilesNotAvailable: the settings have no storage.
    """
    apply_config_options(options)
    config = load_environment_aware_config()
    report = asyncio.run(_with_database(config, lambda manager: _collect(manager, config, options)))
    if options.as_json:
        print(json.dumps(asdict(report)))
        return 0
    print("Would remove:" if report.dry_run else "Removed:")
    print(f"  {report.orphans} stored files without a record, {report.orphan_bytes} bytes")
    print(f"  {report.unused} whose last record was deleted")
    print(f"  {report.uploads} announced uploads that nobody completed")
    if not report.dry_run:
        print(f"  {report.leftovers} pieces of writes that never ended")
    print(f"{report.kept} stored files have a record.")
    return 0


def list_all(options: FileOptions) -> int:
    """Print the files, newest first: a line each, or one JSON object."""
    apply_config_options(options)
    config = load_environment_aware_config()
    return asyncio.run(_with_database(config, lambda manager: _print_files(manager, options)))


def age_of(text: str) -> timedelta:
    """The time that *text* means: ``90s``, ``30m``, ``1h``, ``7d``.

    Raises:
        CommandFailed: it means none.
    """
    found = re.fullmatch(r"(\d{1,6})([smhd])", text.strip().lower())
    if found is None:
        raise CommandFailed(f"{text!r} is no time. Give a number with s, m, h or d: 90s, 30m, 1h, 7d.")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


async def _collect(manager: DatabaseManager, config: PlanarConfig, options: FileOptions) -> CollectionReport:
    if config.storage is None:
        raise FilesNotAvailable
    age = age_of(options.older_than)
    storage = create_from_config(config.storage)
    try:
        found = await collect_orphans(manager, storage, SYSTEM_CLOCK.now(), older_than=age, dry_run=True)
        if options.dry_run:
            return found
        if found.orphans > found.kept and not options.confirmed:
            raise CommandFailed(
                f"{found.orphans} of the {found.orphans + found.kept} stored files have no record in {manager.url.render_as_string()}."
                " If this is the database of that storage, and the storage is no other app's as well, repeat the command with --yes."
            )
        return await collect_orphans(manager, storage, SYSTEM_CLOCK.now(), older_than=age)
    finally:
        await storage.close()


async def _print_files(manager: DatabaseManager, options: FileOptions) -> int:
    async with manager.get_session(label="files list") as session:
        page = await list_files(session, FileFilter(), limit=options.limit)
    if options.as_json:
        items = [file.model_dump(mode="json", exclude={"storage_ref"}) for file in page.items]
        print(json.dumps({"items": items, "total": page.total}))
        return 0
    for file in page.items:
        print(f"{file.id}  {file.created_at:%Y-%m-%d %H:%M:%S}  {file.size:>12}  {file.content_type:<28} {file.filename}")
    print(f"{len(page.items)} of {page.total} files.")
    return 0


async def _with_database(config: PlanarConfig, work: Callable[[DatabaseManager], Awaitable[T]]) -> T:
    manager = DatabaseManager(existing_database(config.connection_url()), pool=config.pool())
    await manager.connect()
    try:
        if not (await manager.migration_status()).is_current:
            raise CommandFailed("The database does not have the tables of this version. Start the app once: it makes them.")
        return await work(manager)
    finally:
        await manager.disconnect()
