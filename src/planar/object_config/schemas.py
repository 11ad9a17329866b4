"""The shapes of the bodies of the routes of versions."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

from planar.object_config.diagnostics import ConfigDiagnostics
from planar.object_config.lifecycle import ConfigState
from planar.object_config.models import NAME_LENGTH, ObjectConfigurationBase
from planar.object_config.texts import Difference, DifferenceKind

MAX_COMMENT = 2000


def storable(text: str) -> str:
    """*text*, if every database can keep it; else a ValueError."""
    if "\0" in text:
        raise ValueError("the character of number 0 cannot be stored")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("half a character cannot be stored") from None
    return text


MOST_WITH_PAYLOAD: Final = 100
"""How many versions, or objects with their newest ones, a page has at most if it shows their data: each may have a million characters."""

Name = Annotated[str, AfterValidator(storable), Field(min_length=1, max_length=NAME_LENGTH)]
Comment = Annotated[str, AfterValidator(storable), Field(max_length=MAX_COMMENT)]


class Included(StrEnum):
    """What a list leaves out unless it is asked for."""

    PAYLOAD = "payload"


class Shape(BaseModel):
    """What an answer is."""

    model_config = ConfigDict(from_attributes=True, defer_build=True)


class ConfigurationVersion(Shape):
    """A version of an object. The code's own has the id of zeros and the number 0. Lists show ``data`` and ``diagnostics`` if asked.

    One that does not fit the code is ``is_broken``: it can be seen and deleted, not promoted.
    """

    id: UUID
    object_name: str
    object_type: str
    created_at: datetime
    version: int
    data: Any = None
    active: bool
    state: ConfigState
    is_broken: bool = False
    author: str | None = None
    author_email: str | None = None
    comment: str | None = None
    promoted_at: datetime | None = None
    fingerprint: str | None = None
    diagnostics: ConfigDiagnostics[Any] | None = None

    @classmethod
    def of(cls, shown: ObjectConfigurationBase[Any], data: Any, *, payload: bool = True) -> Self:
        """A version, with *data* as plain JSON."""
        values = {name: getattr(shown, name) for name in cls.model_fields if name not in ("data", "diagnostics")}
        return cls(**values, data=data, diagnostics=shown.diagnostics) if payload else cls(**values)


class ConfigurationList(Shape):
    """Part of the versions, newest first."""

    items: list[ConfigurationVersion]
    total: int | None
    offset: int
    limit: int


class ConfigurationSave(BaseModel):
    """A version to be saved."""

    model_config = ConfigDict(extra="forbid")

    object_type: Name
    object_name: Name
    data: dict[str, JsonValue]
    comment: Comment | None = None


class PromoteRequest(BaseModel):
    """Which version of which object is to be used; the id of zeros means the code's own."""

    object_type: Name
    config_id: UUID
    object_name: Name
    comment: Comment | None = None


class ObjectConfigurationResponse(Shape):
    """The newest versions of an object, newest first, the active one if it is older, and the code's own."""

    configs: list[ConfigurationVersion]


class VersionDifference(Shape):
    """One difference of two versions, at the place that a JSON pointer names."""

    pointer: str
    kind: DifferenceKind
    before: Any = None
    after: Any = None

    @classmethod
    def of(cls, found: Difference) -> Self:
        """A difference."""
        return cls(pointer=found.pointer, kind=found.kind, before=found.before, after=found.after)


class ConfigurationDiff(Shape):
    """What leads from the version ``from_id`` to ``to_id``."""

    from_id: UUID
    from_version: int
    to_id: UUID
    to_version: int
    differences: list[VersionDifference]


class Promotion(Shape):
    """One change of which version of an object is used. Version 0, without an id, is the code's own."""

    id: UUID
    number: int
    object_type: str
    object_name: str
    promoted_at: datetime
    promoted_by: str
    promoted_by_email: str | None = None
    comment: str | None = None
    from_config_id: UUID | None = None
    from_version: int
    to_config_id: UUID | None = None
    to_version: int
    run_id: UUID | None = None
    step_id: int | None = None


class PromotionList(Shape):
    """Part of the promotions of an object, newest first."""

    items: list[Promotion]
    total: int | None
    limit: int


class VersionUse(Shape):
    """Which version a run uses, with all that it started (``pins``), or what one step used that asked for the latest."""

    root_run_id: UUID
    run_id: UUID
    step_id: int | None = None
    object_type: str
    object_name: str
    config_id: UUID | None = None
    version: int
    pins: bool
    used_at: datetime
