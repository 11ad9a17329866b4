"""The application's tables."""

from __future__ import annotations

from sqlmodel import Field, Relationship, Session, SQLModel, create_engine

from planar.modeling.orm.planar_base_entity import PLANAR_APPLICATION_METADATA, PlanarBaseEntity

__all__ = [
    "PLANAR_APPLICATION_METADATA",
    "Field",
    "PlanarBaseEntity",
    "Relationship",
    "SQLModel",
    "Session",
    "create_engine",
]
