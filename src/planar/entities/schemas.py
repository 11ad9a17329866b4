"""Which shapes have the bodies of entity routes? The rows themselves are described by each entity's own schema."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from planar.entities.fields import Kind
from planar.entities.filters import Operator


class Shape(BaseModel):
    """An answer. Pydantic builds it when it is first needed."""

    model_config = ConfigDict(defer_build=True)


class EntityMetadata(Shape):
    """An entity that the app serves."""

    name: str
    description: str | None = None
    json_schema: dict[str, Any]
    instance_count: int | None = Field(default=None, description="How many rows it has; null if they were not counted.")


class EntityFieldInfo(Shape):
    """What can be asked of a field, and done with it."""

    name: str
    kind: Kind
    required: bool
    nullable: bool
    read_only: bool
    write_once: bool
    sortable: bool
    operators: list[Operator]


class EntityRelationInfo(Shape):
    """A tie to another entity: what can be expanded, and looked across by filters."""

    name: str
    entity: str
    many: bool
    field: str


class EntityDetails(EntityMetadata):
    """An entity with everything that a form or a table of it needs."""

    create_schema: dict[str, Any]
    update_schema: dict[str, Any]
    replace_schema: dict[str, Any]
    key: str
    display_field: str | None = None
    search_fields: list[str]
    soft_delete: bool
    read_only: bool
    max_page: int
    fields: list[EntityFieldInfo]
    relations: list[EntityRelationInfo]


class EntityReference(Shape):
    """A row that another one refers to."""

    id: str
    label: str | None = None
    entity: str
    deleted: bool = Field(default=False, description="Whether it is marked as deleted; `expand` does not show it then.")


class EntityInstance(Shape):
    """A row."""

    id: str
    entity_name: str
    data: dict[str, Any]
    etag: str | None = Field(default=None, description="For `If-Match`.")
    references: dict[str, EntityReference | None] | None = Field(default=None, description="What it refers to, by relation.")
    expanded: dict[str, Any] | None = Field(
        default=None, description="What `expand` asked for, by relation: an instance, null, or `{items, more}` where there may be several."
    )


class EntityInstanceList(Shape):
    """A page of rows."""

    items: list[EntityInstance]
    total: int | None = Field(default=None, description="How many there are in all; null if they were not counted.")
    offset: int
    limit: int
    next: str | None = Field(default=None, description="For `after`: where the next page begins; null at the end.")


class EntityOption(Shape):
    """A row to choose."""

    id: str
    label: str


class EntityOptionList(Shape):
    """Rows to choose from."""

    items: list[EntityOption]
    total: int | None = None
    offset: int
    limit: int


class EntityGroup(Shape):
    """Rows with the same values."""

    values: dict[str, Any]
    count: int


class EntityGroupList(Shape):
    """A page of groups, the largest first."""

    items: list[EntityGroup]
    total: int | None = None
    offset: int
    limit: int


class BulkResult(Shape):
    """What a bulk request did."""

    items: list[EntityInstance]
    count: int


class BulkDeleted(Shape):
    """How many rows are gone."""

    count: int
