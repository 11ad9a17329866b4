"""Which tables belong to the application? Apart from the base entity, so that the database layer needs no entity."""

from __future__ import annotations

from sqlalchemy import MetaData

PLANAR_APPLICATION_METADATA = MetaData()
"""Every table that an application declares by a subclass of `planar.modeling.orm.PlanarBaseEntity`."""
