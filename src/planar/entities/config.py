"""How much may a request change at once? The ``entities`` section of the settings file."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class EntitiesConfig(BaseModel):
    """The limits of bulk requests."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, defer_build=True)

    max_bulk_rows: int = Field(default=10_000, ge=1)
    """How many rows one request makes, changes or deletes."""
    max_bulk_bytes: int = Field(default=32 * 1024 * 1024, ge=1)
    """How many bytes its body has."""
