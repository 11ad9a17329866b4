"""Which shapes have the bodies of history routes?"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from planar.db.history import ChangeAction


class EntityChange(BaseModel):
    """One change of one row. Fields that are hidden are left out."""

    model_config = ConfigDict(defer_build=True)

    id: UUID
    at: datetime
    entity_name: str
    instance_id: str = Field(description="The key of the row.")
    action: ChangeAction
    changed_by: str = Field(description="The subject of whoever did it; `system` if nobody was named.")
    changed_by_email: str | None = None
    run_id: UUID | None = Field(default=None, description="The run that did it, if one did.")
    workflow: str | None = None
    step_id: int | None = None
    step: str | None = None
    label: str | None = Field(default=None, description="The request, step or script that did it.")
    before: dict[str, Any] | None = Field(default=None, description="What changed, as it was; of a deletion the whole row.")
    after: dict[str, Any] | None = Field(default=None, description="What changed, as it is; of a creation the whole row.")


class EntityHistory(BaseModel):
    """A page of changes, the newest first."""

    model_config = ConfigDict(defer_build=True)

    items: list[EntityChange]
    total: int | None = Field(default=None, description="How many there are in all; null if they were not counted.")
    limit: int
    next: UUID | None = Field(default=None, description="For `after`: where the next page begins; null at the end.")
