"""Has a row changed? Its entity tag says so: of its version where it has one, else of everything that it holds."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from pydantic_core import to_json
from sqlmodel import SQLModel

from planar.entities.registration import RegisteredEntity

ANY: Final = "*"


def etag_of(entity: RegisteredEntity, row: SQLModel) -> str:
    """The entity tag of the row, in its quotes. The same on every database; it tells nothing of what it is made from."""
    version = entity.mapper.version_id_col
    if version is not None:
        name = entity.mapper.get_property_by_column(version).key
        return f'"v{getattr(row, name)}"'
    held: list[Any] = [entity.name, *(getattr(row, name) for name in entity.fields)]
    return f'"{hashlib.sha256(to_json(held, bytes_mode="base64", inf_nan_mode="strings", fallback=repr)).hexdigest()[:32]}"'


def matches(asked: str, etag: str) -> bool:
    """Whether *etag* is among those that ``If-Match`` lists. A weak one matches nothing; one without quotes is taken as quoted."""
    return any(tag in (ANY, etag) or f'"{tag}"' == etag for tag in _listed(asked))


def matches_weakly(asked: str, etag: str) -> bool:
    """Whether *etag* is among those that ``If-None-Match`` lists."""
    return any(tag == ANY or tag.removeprefix("W/") == etag for tag in _listed(asked))


def _listed(header: str) -> list[str]:
    return [tag.strip() for tag in header.split(",")]
