"""What can be done with versions from outside, and by whom? One function an intention; HTTP is the router's.

Beside the route's own action, each asks for the action that the object's type names: whoever may not see an object learns nothing of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from planar.context import current_services
from planar.db.session import get_session
from planar.object_config import reading
from planar.object_config.errors import ConfigNotFoundError, ConfigOfAnotherObject
from planar.object_config.models import DEFAULT_UUID, ObjectConfigurationBase
from planar.object_config.reading import StoredVersion, VersionPage
from planar.object_config.registration import ConfigurableType, ConfigurableTypes
from planar.object_config.texts import Difference, differences, plain_of
from planar.object_config.uses import uses_of
from planar.security.actions import Action
from planar.security.authorization import is_allowed, validate_authorization_for


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list: *limit* versions after the one named *after*, *offset* left out; counted; with their data."""

    limit: int
    offset: int = 0
    after: UUID | None = None
    total: bool = True
    payload: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """A version, and its data as plain JSON, which a broken one has as well."""

    version: ObjectConfigurationBase[Any]
    data: Any = None


@dataclass(frozen=True, slots=True)
class Listed:
    """Part of a list; *next_after* names the version after which the next part begins, None at the end."""

    items: list[Shown]
    total: int | None
    next_after: UUID | None


@dataclass(frozen=True, slots=True)
class Compared:
    """What leads from one version to another; *from_version* 0 is the code's own."""

    from_version: int
    to_version: int
    differences: list[Difference]


async def save(object_type: str, object_name: str, data: Mapping[str, Any], comment: str | None) -> Shown:
    """Save a version; one that is not valid is a draft.

    Raises:
        UnknownObjectType, ConfigurableNotFound: there is no such object.
        ConfigUnreadable: *data* is no object of that type.
        Unauthenticated, Forbidden: whoever asks may not save it, or not with this in it.
    """
    kind = _types().get(object_type)
    _require(kind, object_name, kind.update)
    kind.default_of(object_name)
    content = kind.io.read(data)
    if kind.permit is not None:
        await kind.permit(object_name, content)
    saved = await kind.io.draft(object_name, content, comment)
    return Shown(saved, _plain(saved))


async def promote(object_type: str, config_id: UUID, object_name: str, comment: str | None) -> list[Shown]:
    """Make a version the one that is used, or revert to the code's own; the newest versions, that included, and the code's.

    Raises:
        UnknownObjectType, ConfigurableNotFound, ConfigNotFoundError: there is no such object, or no such version.
        ConfigOfAnotherObject: it belongs to another object.
        ConfigValidationError: it does not fit the code.
    """
    kind = _types().get(object_type)
    _require(kind, object_name, kind.promote)
    default = kind.default_of(object_name)
    await kind.io.promote(config_id, object_name, comment)
    found = (await reading.newest_versions(get_session(), object_type, [object_name], 20))[object_name]
    shown = [await _shown(kind, each) for each in found]
    own = kind.io.default_version(object_name, default, active=not any(each.active for each in found))
    return [*shown, Shown(own, _plain(own))]


async def list_configurations(object_type: str, object_name: str | None, page: Page) -> Listed:
    """Versions of an object, or of all of a type, newest first; those that the caller may not see are left out of the page.

    Raises:
        UnknownObjectType: the app has no such type.
    """
    kind = _types().get(object_type)
    if object_name is not None:
        _require(kind, object_name, kind.view)
    found = await reading.list_versions(
        get_session(),
        object_type,
        object_name,
        limit=page.limit + 1,
        offset=page.offset,
        after=page.after,
        total=page.total,
        data=page.payload,
    )
    seen = [each for each in found.items[: page.limit] if object_name is not None or _may(kind, each.object_name, kind.view)]
    shown = await kind.io.shown_page(VersionPage(seen, None), payload=page.payload)
    stored = {each.id: each for each in seen}
    items = [Shown(each, _json(stored[each.id]) if page.payload else None) for each in shown]
    following = found.items[page.limit - 1].id if len(found.items) > page.limit else None
    return Listed(items, found.total, following)


async def find(config_id: UUID) -> Shown:
    """One version, with its data.

    Raises:
        ConfigNotFoundError: there is none of that id that the caller may see.
    """
    kind, stored = await _visible(config_id)
    return await _shown(kind, stored)


async def diff(config_id: UUID, against: UUID) -> Compared:
    """What leads from the version *against* (zeros: the code's own) to *config_id*, both of one object.

    Raises:
        ConfigNotFoundError: there is no such version that the caller may see.
        ConfigOfAnotherObject: they belong to two objects.
    """
    kind, stored = await _visible(config_id)
    if against == DEFAULT_UUID:
        own = kind.io.default_version(stored.object_name, kind.default_of(stored.object_name), active=False)
        before, version = _plain(own), 0
    else:
        _, other = await _visible(against)
        if (other.object_type, other.object_name) != (stored.object_type, stored.object_name):
            raise ConfigOfAnotherObject("The two versions belong to different objects.")
        before, version = _json(other), other.version
    return Compared(version, stored.version, list(differences(before, _json(stored))))


async def promotions(config_id: UUID, limit: int, after: UUID | None, total: bool) -> tuple[Sequence[Any], int | None]:
    """Who changed which version of that version's object is used, newest first; and how often that was.

    Raises:
        ConfigNotFoundError: there is no such version that the caller may see.
    """
    _, stored = await _visible(config_id)
    session = get_session()
    return await reading.list_promotions(session, stored.object_type, stored.object_name, limit=limit, after=after, total=total)


async def check(config_id: UUID) -> Shown:
    """Check a version anew, and keep what was found.

    Raises:
        ConfigNotFoundError: there is no such version that the caller may see.
    """
    kind, stored = await _changeable(config_id)
    checked = await kind.io.validate(stored.id)
    return Shown(checked, _json(stored))


async def delete(config_id: UUID) -> None:
    """Delete a version that was never active.

    Raises:
        ConfigNotFoundError: there is no such version that the caller may see.
        ConfigNotDeletable: it was active once.
    """
    kind, stored = await _changeable(config_id)
    await kind.io.delete(stored.id)


async def uses(run_id: UUID) -> list[Any]:
    """Which versions a run used, of the objects that the caller may see."""
    types = _types()
    return [row for row in await uses_of(get_session(), run_id) if _may_see(types, row)]


# -- parts ----------------------------------------------------------------------------------------------------------------


def _types() -> ConfigurableTypes:
    return current_services().get(ConfigurableTypes)


def _require(kind: ConfigurableType, object_name: str, action: Action) -> None:
    validate_authorization_for(kind.resource_of(object_name), action)


def _may(kind: ConfigurableType, object_name: str, action: Action) -> bool:
    return is_allowed(kind.resource_of(object_name), action)


def _may_see(types: ConfigurableTypes, row: Any) -> bool:
    kind = types.find(row.object_type)
    return kind is not None and _may(kind, row.object_name, kind.view)


async def _visible(config_id: UUID) -> tuple[ConfigurableType, StoredVersion]:
    stored = await reading.find_version(get_session(), config_id)
    kind = None if stored is None else _types().find(stored.object_type)
    if stored is None or kind is None or not _may(kind, stored.object_name, kind.view):
        raise ConfigNotFoundError(config_id)
    return kind, stored


async def _changeable(config_id: UUID) -> tuple[ConfigurableType, StoredVersion]:
    kind, stored = await _visible(config_id)
    _require(kind, stored.object_name, kind.update)
    return kind, stored


async def _shown(kind: ConfigurableType, stored: StoredVersion) -> Shown:
    return Shown(await kind.io.shown(stored), _json(stored))


def _json(stored: StoredVersion) -> Any:
    """The stored text as JSON, which a broken version still is; or as a text, if somebody wrote another one into the table."""
    return plain_of(stored.data or "null")


def _plain(shown: ObjectConfigurationBase[Any]) -> Any:
    return None if shown.data is None else shown.data.model_dump(mode="json", by_alias=True)
