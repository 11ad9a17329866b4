"""The parts of an app that files need: where their bytes are, who uses them, and that runs are started with files that exist."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, cast
from uuid import UUID

from planar.config import PlanarConfig
from planar.context import Services
from planar.db.session import get_session
from planar.entities.file_uses import uses_by_rows
from planar.files.access import FileAccess
from planar.files.checking import check_files, visible_files
from planar.files.errors import Place, UnknownFiles
from planar.files.links import LinkSigner
from planar.files.models import PlanarFileUse
from planar.files.run_uses import uses_by_journals, uses_by_runs
from planar.files.service import FileService
from planar.files.storage.base import Storage
from planar.files.storage.opening import create_from_config
from planar.files.uses import FileUses
from planar.human.file_uses import uses_by_tasks
from planar.workflows.argument_checks import ArgumentChecks, Note
from planar.workflows.errors import ArgumentsRefused


def add_files(services: Services, config: PlanarConfig) -> None:
    """Add what files need to the services of an app."""
    files = services.add(FileService, FileService(config.files))
    services.add(FileAccess, files)
    services.add(LinkSigner, LinkSigner(files))
    services.add(ArgumentChecks, ArgumentChecks()).add(FileArguments())
    services.add(FileUses, FileUses()).add(uses_by_rows).add(uses_by_tasks).add(uses_by_runs).add(uses_by_journals, since=uses_by_journals)


def open_storage(services: Services) -> Callable[[], Awaitable[None]]:
    """Open the storage that the settings describe, unless the app was given another one; what closes it again."""
    config = services.get(PlanarConfig).storage
    if services.find(Storage) is not None or config is None:
        return _nothing
    storage = services.add(Storage, create_from_config(config))

    async def close() -> None:
        services.remove(Storage)
        await storage.close()

    return close


class FileArguments:
    """Checks the files among the arguments that a client sends, and remembers that the run uses them."""

    def concerns(self, input_schema: Mapping[str, Any]) -> bool:
        """Whether a parameter, or something in it, is a file."""
        return _shows_file(input_schema)

    async def check(self, arguments: Mapping[str, Any]) -> Note | None:
        """Every file must have a record, and says what that says."""
        try:
            found = await check_files(arguments)
        except UnknownFiles as error:
            raise _refused(error.places) from None
        if not found:
            return None

        async def note(run_id: UUID) -> None:
            await _note_uses(found, run_id)

        return note


async def _note_uses(found: list[tuple[Place, UUID]], run_id: UUID) -> None:
    """Written before the run starts: a file that a run holds on to must not be taken for one that nobody uses."""
    session = get_session()
    places = {file_id: ".".join(map(str, place)) for place, file_id in reversed(found)}
    # Whoever deletes one of them has done so, or sees that it is used.
    there = await visible_files(session, set(places), hold=True)
    if len(there) < len(places):
        await session.rollback()
        raise _refused([(place, file_id) for place, file_id in found if file_id not in there])
    session.add_all(PlanarFileUse(file_id=file_id, run_id=run_id, place=place) for file_id, place in places.items())
    await session.commit()


def _refused(places: Sequence[tuple[Place, UUID]]) -> ArgumentsRefused:
    return ArgumentsRefused([(place, UnknownFiles.code, f"There is no file {file_id}.") for place, file_id in places])


def _shows_file(schema: Any) -> bool:
    if isinstance(schema, Mapping):
        known = cast("Mapping[str, Any]", schema)
        presentation: Any = known.get("x-planar-presentation")
        if isinstance(presentation, Mapping) and cast("Mapping[str, Any]", presentation).get("inputType") == "file":
            return True
        return any(_shows_file(each) for each in known.values())
    return isinstance(schema, list) and any(_shows_file(each) for each in cast("list[Any]", schema))


async def _nothing() -> None:
    """An app closes no storage that it did not open."""
