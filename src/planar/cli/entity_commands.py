"""How do rows of an app's entities come in and out from a terminal? Straight at the app's database, without a server."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from contextlib import ExitStack, aclosing
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

from planar.cli.entity_progress import ExportProgress, ImportProgress
from planar.cli.entity_report import print_entities, print_import
from planar.cli.errors import CommandFailed
from planar.cli.options import ListOptions, PruneOptions, TransferOptions
from planar.cli.running import run_in_app
from planar.clock import utc_now
from planar.context import current_services
from planar.db.session import get_session
from planar.entities.exporting import ExportRequest
from planar.entities.formats import Delimiter, Format
from planar.entities.history_reading import prune_history
from planar.entities.import_lines import FileStyle, Mode
from planar.entities.import_report import ImportPlan, ImportReport
from planar.entities.listing import count_all
from planar.entities.registration import EntityRegistry
from planar.entities.transfer_service import bring_in, take_out

REFUSED = 3
"""The exit code if lines do not fit."""

STREAM = "-"


def list_entities(options: ListOptions) -> int:
    """Print the entities and how many rows they have."""

    async def count() -> dict[str, int]:
        return await count_all(get_session(), list(current_services().get(EntityRegistry)))

    print_entities(run_in_app(options, count), as_json=options.as_json)
    return 0


def import_entities(options: TransferOptions) -> int:
    """Import a file; 3 if lines do not fit."""
    with ExitStack() as stack:
        file = stack.enter_context(_source(options.file))
        progress = ImportProgress(file, os.fstat(file.fileno()).st_size)
        stack.enter_context(progress.bar)
        plan = ImportPlan(Mode(options.mode), _style(options), options.match, options.dry_run)

        async def work() -> ImportReport:
            return await bring_in(options.entity, file, plan, "planar entities import", progress.show)

        report = run_in_app(options.base, work)
    print_import(report, as_json=options.base.as_json)
    return REFUSED if report.error_count else 0


def export_entities(options: TransferOptions) -> int:
    """Export rows; a file appears once it is whole."""
    asked = ExportRequest(_style(options), options.filters, options.sort, options.fields)
    if options.file == STREAM:
        _export(options, asked, sys.stdout.buffer)
        return 0
    goal = Path(options.file)
    part = goal.with_name(f".{goal.name}.part")
    try:
        with part.open("wb") as file:
            _export(options, asked, file)
        part.replace(goal)
    except OSError as error:
        raise CommandFailed(f"{goal} cannot be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
    return 0


def prune(options: PruneOptions) -> int:
    """Forget changes that are older than so many days."""

    async def work() -> int:
        return await prune_history(get_session(), utc_now() - timedelta(days=options.days))

    print(f"{run_in_app(options.base, work)} changes forgotten.")
    return 0


def _export(options: TransferOptions, asked: ExportRequest, file: BinaryIO) -> None:
    progress = ExportProgress()
    with progress.bar:

        async def work() -> None:
            async with aclosing(take_out(options.entity, asked, "planar entities export")) as pieces:
                async for piece, count in pieces:
                    await asyncio.to_thread(file.write, piece)
                    progress.show(count)
            file.flush()

        try:
            run_in_app(options.base, work)
        except BrokenPipeError:
            # Whoever read it has read enough. Python would complain again when it closes the stream.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _source(name: str) -> BinaryIO:
    """The file, at its beginning. What comes in through a pipe is kept first: rows are not written while somebody waits for it."""
    if name == STREAM:
        kept = TemporaryFile()  # noqa: SIM115 - the caller closes it
        shutil.copyfileobj(sys.stdin.buffer, kept)
        kept.seek(0)
        return kept  # type: ignore[return-value] - a file of bytes
    try:
        return Path(name).open("rb")
    except OSError as error:
        raise CommandFailed(f"{name} cannot be read: {error.strerror or error}") from error


def _style(options: TransferOptions) -> FileStyle:
    ending = Path(options.file).suffix.lower()
    guessed = Format.JSONL if ending in (".jsonl", ".ndjson") else Format.CSV
    return FileStyle(Format(options.format) if options.format else guessed, Delimiter(options.delimiter), options.safe)
