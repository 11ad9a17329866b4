"""The connection to the database."""

from __future__ import annotations

from planar.db.base import PLANAR_FRAMEWORK_METADATA, PLANAR_SCHEMA, PlanarInternalBase

__all__ = ["PLANAR_FRAMEWORK_METADATA", "PLANAR_SCHEMA", "PlanarInternalBase"]
