"""How does code save, check, promote and read versions of one type of objects? With the type's `ObjectConfigurationIO`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel, ValidationError

from planar.clock import utc_now
from planar.context import current_services
from planar.db.session import PlanarSession, get_session
from planar.object_config import reading, storing
from planar.object_config.choosing import Chosen, VersionChooser
from planar.object_config.committing import after_transaction
from planar.object_config.diagnostics import ConfigDiagnostics, ConfigValidationErrorResponse, always_valid
from planar.object_config.errors import (
    ConfigNotFoundError,
    ConfigOfAnotherObject,
    ConfigUnreadable,
    ConfigValidationError,
)
from planar.object_config.judging import Check, Judgement, judge, unreadable
from planar.object_config.lifecycle import ConfigState
from planar.object_config.models import DEFAULT_UUID, NAME_LENGTH, ObjectConfigurationBase
from planar.object_config.reading import StoredVersion, VersionPage
from planar.object_config.storing import ObjectKey
from planar.object_config.texts import Difference, differences, is_too_deep, plain_of, text_of
from planar.object_config.transacting import in_transaction

__all__ = [
    "DEFAULT_UUID",
    "ConfigNotFoundError",
    "ConfigValidationError",
    "ConfigValidationErrorResponse",
    "ObjectConfigurationIO",
]

T = TypeVar("T", bound=BaseModel)

READ_AT_ONCE: Final = 20


class ObjectConfigurationIO(Generic[T]):
    """Versions of the objects of one type.

    What changes something is a part of the transaction that is open here: it becomes durable with the step, or with the caller's commit.
    Where none is open it is committed on return.

    Args:
        model_class: what an object of this type looks like.
        object_type: how the type is called.
        validate_config: given an object's name and content, says whether it fits the code; synchronous or not. An exception of its
            counts as "not valid".
        validate_in_use: the same for a version that somebody waits to use; by default *validate_config*.
    """

    def __init__(
        self, model_class: type[T], object_type: str, validate_config: Check = always_valid, validate_in_use: Check | None = None
    ) -> None:
        self.model_class = model_class
        self.object_type = str(object_type)
        self.validate_config = validate_config
        self.validate_in_use = validate_in_use or validate_config

    # -- as in the reference ----------------------------------------------------------------------------------------------

    async def read_configs_with_default(self, object_name: str, default_config: T) -> list[ObjectConfigurationBase[T]]:
        """The newest 20 versions, newest first, the active one if it is older, and at the end the code's own.

        One that does not fit the code any more is marked ``is_broken``, and its ``data`` is None if it cannot be read.
        """
        return (await self.read_many_with_default({object_name: default_config}))[object_name]

    async def read_many_with_default(
        self, defaults: Mapping[str, T], characters: int | None = None
    ) -> dict[str, list[ObjectConfigurationBase[T]]]:
        """As `read_configs_with_default` for several objects, by name. One statement for all of them, or two.

        Args:
            defaults: the code's own, by name.
            characters: how much of their data to read, as text, in the order of the answer; of further ones it is left out. By default
                all.
        """
        session, names = get_session(), defaults.keys()
        if characters is None:
            found = await reading.newest_versions(session, self.object_type, names, READ_AT_ONCE)
        else:
            found = await reading.newest_within(session, self.object_type, names, READ_AT_ONCE, characters)
        shown: dict[str, list[ObjectConfigurationBase[T]]] = {}
        for name, stored in found.items():
            own = self.default_version(name, defaults[name], active=not any(each.active for each in stored))
            shown[name] = [*[self._left_out(each) if each.data is None else await self.shown(each) for each in stored], own]
        return shown

    async def write_config(self, object_name: str, config: T, comment: str | None = None) -> ObjectConfigurationBase[T]:
        """Save a version that is valid. It is not active before it is promoted.

        Args:
            object_name: which object.
            config: its content.
            comment: why, for people.

        Returns:
            The new version.

        Raises:
            ConfigValidationError: (a ValueError) it is not valid; nothing is saved.
        """
        return await self._save(object_name, config, comment, must_be_valid=True)

    async def promote_config(self, config_id: UUID, object_name: str | None = None, comment: str | None = None) -> None:
        """Make a version the one that is used; it is checked first. Runs that have used another one keep that.

        Args:
            config_id: the version; `DEFAULT_UUID` is the code's own, and needs *object_name*.
            object_name: the object that it must belong to; by default any.
            comment: why, for people.

        Raises:
            ValueError: the code's own version was meant, and no object named.
            ConfigNotFoundError: there is no such version of an object of this type.
            ConfigOfAnotherObject: (a ValueError) it belongs to another one than *object_name*.
            ConfigValidationError: (a ValueError) it does not fit the code.
        """
        await self.promote(config_id, object_name, comment)

    # -- what else can be done ------------------------------------------------------------------------------------------------

    async def draft(self, object_name: str, config: T | Mapping[str, Any], comment: str | None = None) -> ObjectConfigurationBase[T]:
        """Save a version, valid or not: ``state`` says which, and ``diagnostics`` why. Args as for `write_config`.

        Raises:
            ConfigUnreadable: (a ValueError) a mapping was given that is no such object at all.
        """
        content = config if isinstance(config, BaseModel) else self.read(config)
        return await self._save(object_name, content, comment, must_be_valid=False)

    async def validate(self, config_id: UUID) -> ObjectConfigurationBase[T]:
        """Check a version anew and keep what was found; the version, with that.

        Raises:
            ConfigNotFoundError: there is no such version of an object of this type.
        """
        stored = await self.stored(config_id)
        found = await self._checked_anew(stored)
        return self._as_shown(await in_transaction(lambda session: storing.record_check(session, stored, found.diagnostics)), found)

    async def promote(self, config_id: UUID, object_name: str | None = None, comment: str | None = None) -> bool:
        """As `promote_config`. Returns False if the version was the active one already."""
        if config_id == DEFAULT_UUID:
            if object_name is None:
                raise ValueError("To revert to the code's own version, name the object: it has no row that would say which.")
            return await self.revert(object_name, comment)
        stored = await self.stored(config_id)
        if object_name is not None and stored.object_name != object_name:
            raise ConfigOfAnotherObject(f"Configuration {config_id} belongs to another {self.object_type} than '{object_name}'.")
        # Before the lock is taken: a check may take time, and what it checks never changes.
        found = await self._checked_anew(stored)
        if found.is_broken:
            raise ConfigValidationError(stored.object_name, self.object_type, found.diagnostics)

        async def change(session: PlanarSession) -> bool:
            self._forget_after(session, stored.object_name)
            return await storing.activate(session, stored, found.diagnostics, comment)

        return await in_transaction(change)

    async def revert(self, object_name: str, comment: str | None = None) -> bool:
        """Let the code's own version be used. Returns False if it was already."""

        async def change(session: PlanarSession) -> bool:
            self._forget_after(session, object_name)
            return await storing.deactivate(session, ObjectKey(self.object_type, object_name), comment)

        return await in_transaction(change)

    async def delete(self, config_id: UUID) -> None:
        """Delete a version that was never active.

        Raises:
            ConfigNotFoundError: there is no such version of an object of this type.
            ConfigNotDeletable: it was active once.
        """
        stored = await self.stored(config_id)
        await in_transaction(lambda session: storing.remove(session, stored))

    async def diff(self, before: T | UUID, after: T | UUID) -> list[Difference]:
        """What leads from one version to another, each given by its id or as an object (the code's own has no row).

        Raises:
            ConfigNotFoundError: there is no such version of an object of this type.
        """
        return list(differences(await self._plain(before), await self._plain(after)))

    async def find(self, config_id: UUID) -> ObjectConfigurationBase[T]:
        """One version.

        Raises:
            ConfigNotFoundError: there is none of that id of an object of this type.
        """
        return await self.shown(await self.stored(config_id))

    async def list(
        self, object_name: str | None = None, *, limit: int = READ_AT_ONCE, after: UUID | None = None, payload: bool = False
    ) -> list[ObjectConfigurationBase[T]]:
        """Versions, newest first: of one object, or of all. Those after the one named *after*; with *payload* their data."""
        session = get_session()
        page = await reading.list_versions(session, self.object_type, object_name, limit=limit, after=after, total=False, data=payload)
        return await self.shown_page(page, payload=payload)

    async def chosen(self, object_name: str, default: T | Callable[[], T], *, pinned: bool = True) -> Chosen[T]:
        """The version to use here; see `planar.object_config.chosen_version`."""
        return await current_services().get(VersionChooser).choose(self, object_name, default, pinned=pinned)

    # -- for whoever shows versions -------------------------------------------------------------------------------------------

    async def stored(self, config_id: UUID) -> StoredVersion:
        """The row of a version of an object of this type."""
        found = await reading.find_version(get_session(), config_id)
        if found is None or found.object_type != self.object_type:
            raise ConfigNotFoundError(config_id, self.object_type)
        return found

    async def judge(self, object_name: str, text: str, *, in_use: bool = False) -> Judgement[T]:
        """Whether a stored text fits the code; *in_use*: somebody waits to use it.

        Raises:
            NotJudgedNow: it cannot be found out now.
        """
        return await judge(self.model_class, self.validate_in_use if in_use else self.validate_config, object_name, text)

    async def shown(self, stored: StoredVersion) -> ObjectConfigurationBase[T]:
        """A row, read with its data, as code and the API see it."""
        return self._as_shown(stored, await self._judged(stored))

    async def shown_page(self, page: VersionPage, *, payload: bool) -> list[ObjectConfigurationBase[T]]:
        """Rows as code and the API see them, but those that were deleted meanwhile.

        What was never judged in this process is read at once, for all of them.
        """
        chooser = current_services().get(VersionChooser)
        known = {each.id: found for each in page.items if (found := chooser.known(each.id)) is not None}
        texts = await reading.data_of(get_session(), [each.id for each in page.items if each.data is None and each.id not in known])
        shown: list[ObjectConfigurationBase[T]] = []
        for each in page.items:
            found, text = known.get(each.id), each.data or texts.get(each.id)
            if found is None and text is None:
                continue
            found = found or await chooser.judgement(self, each.object_name, each.id, text)
            whole = self._as_shown(each, found)
            shown.append(whole if payload else whole.model_copy(update={"data": None, "diagnostics": None}))
        return shown

    def default_version(self, object_name: str, config: T, *, active: bool) -> ObjectConfigurationBase[T]:
        """The code's own version."""
        return ObjectConfigurationBase[Any](
            id=DEFAULT_UUID,
            object_name=object_name,
            object_type=self.object_type,
            created_at=utc_now(),
            version=0,
            data=config,
            active=active,
            state=ConfigState.ACTIVE if active else ConfigState.VALIDATED,
        )

    # -- parts ----------------------------------------------------------------------------------------------------------------

    async def _save(self, object_name: str, config: T, comment: str | None, *, must_be_valid: bool) -> ObjectConfigurationBase[T]:
        _refuse_name(object_name)
        text = _text(config)
        # Read back: what is checked is what will be used.
        found = await self.judge(object_name, text)
        if found.is_broken and must_be_valid:
            raise ConfigValidationError(object_name, self.object_type, found.diagnostics)
        key = ObjectKey(self.object_type, object_name)
        stored = await in_transaction(
            lambda session: storing.insert_version(session, key, text, comment=comment, diagnostics=found.diagnostics)
        )
        chooser = current_services().find(VersionChooser)
        if chooser is not None:
            chooser.learn(stored.id, found, len(text))
        return self._as_shown(stored, found)

    def read(self, content: Mapping[str, Any]) -> T:
        """An object of this type from JSON values.

        Raises:
            ConfigUnreadable: (a ValueError) it is none.
        """
        try:
            return self.model_class.model_validate(content)
        except ValidationError as error:
            summary = ConfigDiagnostics[Any](is_valid=False, issues=unreadable(error)).summary()
            entries = [{**entry, "loc": ("body", "data", *entry["loc"])} for entry in error.errors(include_url=False)]
            raise ConfigUnreadable(f"This is no {self.object_type}: {summary}.", errors=entries) from None

    async def _judged(self, stored: StoredVersion) -> Judgement[T]:
        return await current_services().get(VersionChooser).judgement(self, stored.object_name, stored.id, stored.data)

    async def _checked_anew(self, stored: StoredVersion) -> Judgement[T]:
        found = await self.judge(stored.object_name, stored.data or "")
        chooser = current_services().find(VersionChooser)
        if chooser is not None:
            chooser.learn(stored.id, found, len(stored.data or ""))
        return found

    async def _plain(self, which: T | UUID) -> Any:
        text = (await self.stored(which)).data or "" if isinstance(which, UUID) else text_of(which)
        return plain_of(text)

    def _left_out(self, stored: StoredVersion) -> ObjectConfigurationBase[T]:
        known = current_services().get(VersionChooser).known(stored.id)
        shown = self._as_shown(stored, Judgement(None, ConfigDiagnostics[T](is_valid=True)))
        return shown.model_copy(
            update={"data_left_out": True, "is_broken": known is not None and known.is_broken, "diagnostics": None},
        )

    def _as_shown(self, stored: StoredVersion, found: Judgement[T]) -> ObjectConfigurationBase[T]:
        return ObjectConfigurationBase[Any](
            id=stored.id,
            object_name=stored.object_name,
            object_type=stored.object_type,
            created_at=stored.created_at,
            version=stored.version,
            data=found.data,
            active=stored.active,
            state=stored.state,
            is_broken=found.is_broken,
            author=stored.author,
            author_email=stored.author_email,
            comment=stored.comment,
            promoted_at=stored.promoted_at,
            fingerprint=stored.fingerprint,
            diagnostics=found.diagnostics,
        )

    def _forget_after(self, session: PlanarSession, object_name: str) -> None:
        chooser = current_services().find(VersionChooser)
        if chooser is not None:
            after_transaction(session, lambda: chooser.forget(ObjectKey(self.object_type, object_name)))


def _text(config: BaseModel) -> str:
    try:
        text = text_of(config)
    except ValueError as error:  # half a character, an object that holds itself
        raise ConfigUnreadable(f"This cannot be written as JSON: {error}") from None
    if is_too_deep(plain_of(text)):
        raise ConfigUnreadable("This has more levels of objects and lists than can be stored.")
    return text


def _refuse_name(object_name: str) -> None:
    if not 0 < len(object_name) <= NAME_LENGTH or "\0" in object_name:
        raise ConfigUnreadable(f"An object's name has 1 to {NAME_LENGTH} characters, and none of them is the one of number 0.")
