"""Which version of an object is used here? In a run always the same one; elsewhere the one that is active."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Hashable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Protocol, TypeVar, cast
from uuid import UUID

from pydantic import BaseModel

from planar.clock import SYSTEM_CLOCK
from planar.db.manager import DatabaseManager
from planar.db.session import PlanarSession, current_scope
from planar.engine.current import Frame, peek_frame
from planar.engine.execution.run import LiveRun
from planar.object_config.errors import ActiveConfigBroken, ConfigNotFoundError, VersionNotPinned
from planar.object_config.judging import Judgement
from planar.object_config.models import DEFAULT_UUID, ObjectConfigurationUse
from planar.object_config.pinner import Pinner
from planar.object_config.pinning import Asked, pinned_versions, root_of, use_of
from planar.object_config.reading import ActiveVersion, data_of, find_active
from planar.object_config.storing import ObjectKey

T = TypeVar("T", bound=BaseModel)
V = TypeVar("V")

FRESH_SECONDS: Final = 0.1
"""For how long an answer of the database to "which one is active" is taken for true. Another worker's promotion is seen after that."""
REMEMBERED: Final = 10_000
"""Of how many objects, and of how many runs' uses, a process remembers the version."""
READ: Final = 1_000
"""How many versions a process keeps in memory, read and checked."""
READ_CHARACTERS: Final = 20_000_000
"""Of how many characters together: a list may show some of a million each."""


@dataclass(frozen=True, slots=True)
class Chosen(Generic[T]):
    """The version that is used here. The code's own is version 0, with the id `DEFAULT_UUID`. *data* is shared: do not change it."""

    version: int
    config_id: UUID
    data: T

    @property
    def is_default(self) -> bool:
        """Whether it is the code's own."""
        return self.config_id == DEFAULT_UUID


class Judging(Protocol):
    """Whoever can read and check a stored version of a type: an `ObjectConfigurationIO`."""

    object_type: str

    async def judge(self, object_name: str, text: str, *, in_use: bool = False) -> Judgement[Any]: ...


class VersionChooser:
    """Chooses versions for one app in one process, and remembers what it may.

    Args:
        manager: the app's database.
        fresh_seconds: for how long the active version of an object is remembered before the database is asked again.
    """

    def __init__(self, manager: DatabaseManager, *, fresh_seconds: float = FRESH_SECONDS) -> None:
        self._manager = manager
        self._fresh_seconds = fresh_seconds
        self._active: Remembered[_Known] = Remembered(REMEMBERED)
        self._asking: dict[ObjectKey, asyncio.Task[ActiveVersion | None]] = {}
        self._pinned: Remembered[tuple[ActiveVersion | None]] = Remembered(REMEMBERED)
        self._pinner = Pinner(manager)
        self._roots: Remembered[UUID] = Remembered(REMEMBERED)
        self._judged: Remembered[Judgement[Any]] = Remembered(READ, READ_CHARACTERS)

    async def choose(self, io: Judging, name: str, default: T | Callable[[], T], *, pinned: bool = True) -> Chosen[T]:
        """The version of the object *name* to use here.

        Args:
            io: its type.
            name: which object.
            default: the code's own version, or a function that makes it when it is the one.
            pinned: whether a run keeps the version that it, or whoever started it, used first. False asks for the latest, in a step.

        Raises:
            ActiveConfigBroken: the version does not fit the code.
            VersionNotPinned: (a RuntimeError) the latest version was asked for by workflow code.
        """
        key = ObjectKey(io.object_type, name)
        version = await self.version(key, pinned=pinned)
        if version is None:
            return Chosen(0, DEFAULT_UUID, default() if callable(default) else default)
        found = await self.judgement(io, name, version.id, in_use=True)
        if found.is_broken:
            raise ActiveConfigBroken(
                f"Version {version.version} of the {io.object_type} '{name}' does not fit the code: {found.diagnostics.summary()}. "
                "Promote another version, or revert to the code's own."
            )
        chosen = Chosen(version.version, version.id, cast("T", found.data))
        known = self._active.get(key)
        if known is not None and known.version is version:
            known.chosen = chosen
        return chosen

    def at_hand(self, key: ObjectKey) -> Chosen[Any] | None:
        """What `choose` would return, if that can be said without asking anybody: most often, outside of runs, for a stored version."""
        if peek_frame() is not None or _writing_session() is not None:
            return None
        known = self._fresh(key)
        return known.chosen if known is not None else None

    async def version(self, key: ObjectKey, *, pinned: bool = True) -> ActiveVersion | None:
        """The stored version to use here; None is the code's own."""
        frame = peek_frame()
        if frame is None:
            return await self._latest(key)
        return await (self._for_run(frame, key) if pinned else self._for_step(frame, key))

    async def judgement(self, io: Judging, name: str, config_id: UUID, text: str | None = None, *, in_use: bool = False) -> Judgement[Any]:
        """Whether a stored version fits the code, found once a process. *text* saves a look into the database.

        What was found for those who only look is not taken for true where it is *in_use*.

        Raises:
            NotJudgedNow: it cannot be found out now. The next to ask tries again.
        """
        found = self.known(config_id, in_use=in_use)
        if found is None:
            if text is None:
                async with self._reading() as session:
                    text = (await data_of(session, [config_id])).get(config_id)
            if text is None:
                raise ConfigNotFoundError(config_id, io.object_type)
            found = await io.judge(name, text, in_use=in_use)
            self.learn(config_id, found, len(text), in_use=in_use)
        return found

    def learn(self, config_id: UUID, found: Judgement[Any], characters: int, *, in_use: bool = False) -> None:
        """A version of so many characters was read and checked: remember that, unless the check itself failed."""
        self._judged.drop((config_id, True))  # it was checked anew
        for known in self._active.values():
            if known.version is not None and known.version.id == config_id:
                known.chosen = None
        if found.is_final:
            self._judged.put((config_id, in_use), found, characters)
        else:
            self._judged.drop((config_id, in_use))

    def known(self, config_id: UUID, *, in_use: bool = False) -> Judgement[Any] | None:
        """What `judgement` would answer from memory."""
        found = self._judged.get((config_id, True))
        return found if found is not None or in_use else self._judged.get((config_id, False))

    def forget(self, key: ObjectKey) -> None:
        """The active version of *key* may be another one now: the next to ask asks the database."""
        self._active.drop(key)
        self._asking.pop(key, None)

    def forget_all(self) -> None:
        """The code has changed, or the database was replaced: remember nothing."""
        self._asking.clear()
        for each in (self._active, self._pinned, self._roots, self._judged):
            each.clear()

    # -- the active one ---------------------------------------------------------------------------------------------------

    async def _latest(self, key: ObjectKey) -> ActiveVersion | None:
        own = _writing_session()
        if own is not None:  # it may have promoted, which nobody else sees yet
            return await find_active(own, key.object_type, key.object_name)
        known = self._fresh(key)
        if known is not None:
            return known.version
        asking = self._asking.get(key)
        if asking is None or asking.done():
            asking = self._asking[key] = asyncio.create_task(self._ask(key))
        # Others wait for the answer too, whatever becomes of this task.
        return await asyncio.shield(asking)

    def _fresh(self, key: ObjectKey) -> _Known | None:
        known = self._active.get(key)
        return known if known is not None and SYSTEM_CLOCK.monotonic() - known.since < self._fresh_seconds else None

    async def _ask(self, key: ObjectKey) -> ActiveVersion | None:
        me, since = asyncio.current_task(), SYSTEM_CLOCK.monotonic()
        async with self._manager.get_session(label="object configuration") as session:
            found = await find_active(session, key.object_type, key.object_name)
        if self._asking.get(key) is me:  # and nobody promoted meanwhile
            self._active.put(key, _Known(found, since))
            del self._asking[key]
        return found

    # -- in a run ---------------------------------------------------------------------------------------------------------

    async def _for_run(self, frame: Frame, key: ObjectKey) -> ActiveVersion | None:
        live: LiveRun = frame.run
        known = self._pinned.get((live.run.id, key))
        if known is not None:
            return known[0]
        own = _writing_session()
        asked = Asked(await self._root(live), live.run.id, frame.step_id, key)
        if own is not None:
            # Only one can write on SQLite. It becomes durable with the step, or is forgotten with it: so it is not remembered here.
            return (await pinned_versions(own, [asked]))[0]
        # In a transaction of its own: the step may go on for long, and a version that was used stays the one.
        version = await self._pinner.ask(asked)
        self._pinned.put((live.run.id, key), (version,))
        return version

    async def _for_step(self, frame: Frame, key: ObjectKey) -> ActiveVersion | None:
        scope = current_scope()
        if frame.step_id is None or scope is None:
            raise VersionNotPinned
        live: LiveRun = frame.run
        version = await self._latest(key)
        asked = Asked(await self._root(live), live.run.id, frame.step_id, key)
        # Not flushed: on SQLite the first write takes the lock, which a step should take as late as it can.
        scope.get().add(ObjectConfigurationUse(**use_of(asked, version, pins=False)))
        return version

    async def _root(self, live: LiveRun) -> UUID:
        run = live.run
        root = self._roots.get(run.id) if run.parent_id is not None else run.id
        if root is None:
            async with self._reading() as session:
                root = await root_of(session, run.id)
            self._roots.put(run.id, root)
        return root

    @asynccontextmanager
    async def _reading(self) -> AsyncGenerator[PlanarSession]:
        """A session to read in: the one that writes here, else one that holds no connection afterwards."""
        own = _writing_session()
        if own is not None:
            yield own
            return
        async with self._manager.get_session(label="object configuration") as session:
            yield session


@dataclass(slots=True)
class _Known:
    """The active version of an object, when it was asked for, and what was chosen by it since, once it was judged."""

    version: ActiveVersion | None
    since: float
    chosen: Chosen[Any] | None = None


@dataclass(slots=True)
class Remembered(Generic[V]):
    """The last *size* things that were used, or fewer if they weigh more than *most* together; the last one in any case."""

    size: int
    most: int | None = None
    _held: OrderedDict[Hashable, V] = field(default_factory=OrderedDict[Hashable, V])
    _weights: dict[Hashable, int] = field(default_factory=dict[Hashable, int])
    _weight: int = 0

    def get(self, key: Hashable) -> V | None:
        """What is held under *key*, which counts as used."""
        value = self._held.get(key)
        if value is not None:
            self._held.move_to_end(key)
        return value

    def put(self, key: Hashable, value: V, weight: int = 0) -> None:
        """Hold *value*, instead of what was used least lately."""
        self.drop(key)
        self._held[key] = value
        if weight:
            self._weights[key] = weight
            self._weight += weight
        while len(self._held) > 1 and (len(self._held) > self.size or (self.most is not None and self._weight > self.most)):
            self.drop(next(iter(self._held)))

    def values(self) -> Iterable[V]:
        """All that is held."""
        return self._held.values()

    def drop(self, key: Hashable) -> None:
        """Hold nothing under *key*."""
        self._held.pop(key, None)
        self._weight -= self._weights.pop(key, 0)

    def clear(self) -> None:
        """Hold nothing."""
        self._held.clear()
        self._weights.clear()
        self._weight = 0


def _writing_session() -> PlanarSession | None:
    """The session of this code, if its transaction has written."""
    scope = current_scope()
    session = scope.session if scope is not None else None
    return session if session is not None and session.wrote else None
