"""What can be done with files of rows: bring one in, take one out. For the router and for the command line."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from typing import BinaryIO

from planar.context import current_services
from planar.db.manager import DatabaseManager
from planar.db.planar_session import PlanarSession
from planar.entities.exporting import ExportRequest, export_rows, read_request
from planar.entities.import_lines import Problem
from planar.entities.import_report import ImportPlan, ImportReport, OnProgress
from planar.entities.importing import import_file
from planar.entities.registration import EntityRegistry
from planar.entities.relations import Relation, relations_of
from planar.entities.transfer_errors import ImportRefused
from planar.entities.validation import Entry, entry


async def bring_in(name: str, file: BinaryIO, plan: ImportPlan, label: str, on_progress: OnProgress | None = None) -> ImportReport:
    """Import a file into the entity *name*; see `planar.entities.importing.import_file`.

    Args:
        name: of the entity.
        file: open for reading bytes.
        plan: what is to be done.
        label: what the history names as the origin of the rows.
        on_progress: called after each batch.

    Raises:
        EntityNotFound: the app serves no entity of that name.
    """
    services = current_services()
    entity = services.get(EntityRegistry).get(name)
    # The lock is held no longer than the rows take to be written: the file is on this machine already, and validated before.
    async with PlanarSession(services.get(DatabaseManager).get_engine(), label=label, unlimited=True) as session:
        return await import_file(session, entity, file, plan, on_progress)


async def take_out(
    name: str, asked: ExportRequest, label: str, relations: Mapping[str, Relation] | None = None
) -> AsyncGenerator[tuple[bytes, int]]:
    """The rows of the entity *name* as a file, in pieces, each with the number of its rows.

    What is wrong with *asked* is told before the first piece.

    Args:
        name: of the entity.
        asked: what is asked for.
        label: by which the database knows the session.
        relations: those across which filters and orders may look; None for all of the entity's.

    Raises:
        EntityNotFound: the app serves no entity of that name.
        Misfits: a field, an operator or a value is wrong.
    """
    services = current_services()
    registry = services.get(EntityRegistry)
    entity = registry.get(name)
    export = read_request(entity, relations_of(entity, registry) if relations is None else relations, asked)
    async with services.get(DatabaseManager).get_session(label=label) as session:
        async for piece in export_rows(session, export):
            yield piece


def refusal(report: ImportReport) -> ImportRefused:
    """The error that tells why nothing was written."""
    entries: list[Entry] = [_entry(problem) for problem in report.errors]
    left = report.error_count - len(entries)
    if left:
        entries.append(entry("too_many_errors", ("body",), f"{left} more of {report.error_count} errors are not shown."))
    return ImportRefused(entries)


def _entry(problem: Problem) -> Entry:
    place = () if problem.field is None else (problem.field,)
    return entry(problem.type, ("body", problem.line, *place), problem.message)
