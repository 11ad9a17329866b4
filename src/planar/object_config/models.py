"""What is kept of the versions of what users edit: each version, each promotion, and which version a run used."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar, Final, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict
from sqlalchemy import Index, String, Text, UniqueConstraint
from sqlmodel import Field
from uuid_utils.compat import uuid7

from planar.db.base import PlanarInternalBase
from planar.db.types import JSONText
from planar.modeling.mixins.timestamp import timestamp_column
from planar.object_config.diagnostics import (
    ConfigDiagnosticIssue,
    ConfigDiagnostics,
    DiffErrorCode,
    Severity,
)
from planar.object_config.lifecycle import ConfigState

__all__ = [
    "DEFAULT_UUID",
    "ConfigDiagnosticIssue",
    "ConfigDiagnostics",
    "ConfigState",
    "ConfigurableObjectType",
    "ConfiguredObject",
    "DiffErrorCode",
    "ObjectConfiguration",
    "ObjectConfigurationBase",
    "ObjectConfigurationPromotion",
    "ObjectConfigurationUse",
    "Severity",
]

T = TypeVar("T", bound=BaseModel)

DEFAULT_UUID: Final = UUID(int=0)
"""The id of the version that stands in the code."""

NAME_LENGTH: Final = 255


class ConfigurableObjectType(StrEnum):
    """The types of Planar's own. An app may register others, by any name."""

    RULE = "rule"
    AGENT = "agent"


class ObjectConfigurationBase(BaseModel, Generic[T]):
    """One version of an object, as code and the API see it. The code's own has the id `DEFAULT_UUID` and version 0.

    ``data`` is None if the stored text does not fit the code any more, or was not asked for; then ``is_broken`` and ``diagnostics`` say
    so. ``data_left_out``: there was no room for it in a list that shows many; the version alone has it.
    """

    model_config = ConfigDict(defer_build=True)

    id: UUID
    object_name: str
    object_type: str
    created_at: datetime
    version: int
    data: T | None
    data_left_out: bool = False
    active: bool
    state: ConfigState
    is_broken: bool = False
    author: str | None = None
    author_email: str | None = None
    comment: str | None = None
    promoted_at: datetime | None = None
    fingerprint: str | None = None
    diagnostics: ConfigDiagnostics[Any] | None = None


class ConfiguredObject(PlanarInternalBase, table=True):
    """An object of which versions are stored. Whoever changes them locks its row first; it remembers the highest numbers ever given."""

    object_type: str = Field(primary_key=True, sa_type=String(NAME_LENGTH))
    object_name: str = Field(primary_key=True, sa_type=String(NAME_LENGTH))
    last_version: int = 0
    last_promotion: int = 0


class ObjectConfiguration(PlanarInternalBase, table=True):
    """One stored version of an object. Its ``data`` never changes."""

    __table_args__: ClassVar[Any] = (
        UniqueConstraint("object_name", "object_type", "version", name="uq_object_configuration_version"),
        # It says that there is at most one, and finds it without reading others.
        Index("uq_object_configuration_active", "object_type", "object_name", unique=True, info={"partial": "active"}),
        Index("ix_object_configuration_type", "object_type", "id"),
    )

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    object_name: str = Field(sa_type=String(NAME_LENGTH))
    object_type: str = Field(sa_type=String(NAME_LENGTH))
    created_at: datetime = timestamp_column()
    version: int
    data: str = Field(sa_type=Text)
    """The object as JSON text, by alias."""
    active: bool = False
    state: str = Field(sa_type=String)
    author: str = Field(sa_type=String)
    """The subject of the principal, else ``system``."""
    author_email: str | None = Field(default=None, sa_type=String)
    comment: str | None = Field(default=None, sa_type=Text)
    diagnostics: dict[str, Any] | None = Field(default=None, sa_type=JSONText)
    """What its last check found."""
    fingerprint: str = Field(sa_type=String(64))
    """The SHA-256 of ``data`` in one form: equal objects have equal ones."""
    promoted_at: datetime | None = timestamp_column(nullable=True, default=None)


class ObjectConfigurationPromotion(PlanarInternalBase, table=True):
    """One change of which version is used. A missing version is the code's own."""

    __table_args__: ClassVar[Any] = (
        UniqueConstraint("object_type", "object_name", "number", name="uq_object_configuration_promotion_number"),
    )

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    object_type: str = Field(sa_type=String(NAME_LENGTH))
    object_name: str = Field(sa_type=String(NAME_LENGTH))
    number: int
    """Its place among those of the object, which clocks of several machines would not tell. There may be gaps."""
    promoted_at: datetime = timestamp_column()
    promoted_by: str = Field(sa_type=String)
    promoted_by_email: str | None = Field(default=None, sa_type=String)
    comment: str | None = Field(default=None, sa_type=Text)
    from_config_id: UUID | None = None
    from_version: int = 0
    to_config_id: UUID | None = None
    to_version: int = 0
    run_id: UUID | None = None
    """The run whose step did it."""
    step_id: int | None = None


class ObjectConfigurationUse(PlanarInternalBase, table=True):
    """Which version of an object a run, with all that it started, uses (``pins``); or one step used that asked for the latest."""

    __table_args__: ClassVar[Any] = (
        Index(
            "uq_object_configuration_use_pin",
            "root_run_id",
            "object_type",
            "object_name",
            unique=True,
            info={"partial": "pins"},
        ),
        Index("ix_object_configuration_use_run", "run_id", "step_id"),
    )

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    root_run_id: UUID
    """The run at the top of those that started one another."""
    run_id: UUID
    """The run that asked; of a pin, the first one."""
    step_id: int | None = None
    object_type: str = Field(sa_type=String(NAME_LENGTH))
    object_name: str = Field(sa_type=String(NAME_LENGTH))
    config_id: UUID | None = None
    """None is the code's own."""
    version: int = 0
    pins: bool = True
    used_at: datetime = timestamp_column()
