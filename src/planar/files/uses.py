"""Who says that a file is used? Each feature that keeps files tells of its own uses; files know none of these features."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeAlias

from planar.db.session import PlanarSession
from planar.files.models import PlanarFileMetadata
from planar.security.actions import Action
from planar.security.authorization import filter_allowed
from planar.security.resources import ResourceDescriptor

MOST_REFERENCES: Final = 100
"""Of each kind; more are not looked for."""


class ReferenceKind(StrEnum):
    """How something is tied to a file."""

    ENTITY = "entity"
    RUN = "run"
    HUMAN_TASK = "human_task"
    MADE_BY = "made_by"


@dataclass(frozen=True, slots=True)
class Permission:
    """What somebody has to be allowed to do before being told of something."""

    resource: ResourceDescriptor
    action: Action


@dataclass(frozen=True, slots=True)
class Reference:
    """Something that is tied to a file.

    Attributes:
        kind: how.
        name: the entity (of a class that is not served: its table), the run's workflow or the kind of task; empty if the run is about
            to start.
        id: the row's key, or the id of the run or task.
        place: the column, or where in the arguments the file stands.
        in_use: whether it needs the file still. A run that has ended does not.
        needs: what somebody has to be allowed to do before being told of it; None is told to nobody.
    """

    kind: ReferenceKind
    name: str
    id: str
    place: str
    in_use: bool
    needs: Permission | None


FindUses: TypeAlias = Callable[[PlanarSession, PlanarFileMetadata], Awaitable[Sequence[Reference]]]
"""What a feature knows of a file: those that use it, up to `MOST_REFERENCES` of each kind, first those that need it still."""


FindNewUses: TypeAlias = Callable[[PlanarSession, PlanarFileMetadata, datetime], Awaitable[Sequence[Reference]]]
"""The same, of those only that have come since a moment."""


class FileUses:
    """What is asked who uses a file: one function for each feature, in the order in which they were added."""

    def __init__(self) -> None:
        self._finders: list[tuple[FindUses, FindNewUses | None]] = []

    def add(self, find: FindUses, *, since: FindNewUses | None = None) -> FileUses:
        """Ask *find* as well; where that takes long, *since* tells what has come since somebody asked, while others wait for a lock."""
        self._finders.append((find, since))
        return self

    async def of(self, session: PlanarSession, file: PlanarFileMetadata, *, since: datetime | None = None) -> list[Reference]:
        """Everything that is tied to *file*, whoever may know of it, first what needs it still.

        With *since*, when the same was asked before, that may leave out what was there then.
        """
        found: dict[tuple[ReferenceKind, str, str], Reference] = {}
        for find, find_new in self._finders:
            asked = find(session, file) if since is None or find_new is None else find_new(session, file, since)
            for each in await asked:
                # What one has told of is not told of again by another, unless it is another place of a row.
                key = (each.kind, each.id, each.place if each.kind is ReferenceKind.ENTITY else "")
                found.setdefault(key, each)
        return sorted(found.values(), key=lambda each: not each.in_use)


def visible(references: Sequence[Reference]) -> list[Reference]:
    """Those of *references* of which whoever acts may be told."""
    answers: dict[Permission | None, bool] = {None: False}
    for needs in {each.needs for each in references if each.needs is not None}:
        answers[needs] = bool(filter_allowed([needs.resource], needs.action, lambda resource: resource))
    return [each for each in references if answers[each.needs]]
