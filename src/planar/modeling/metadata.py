"""Which tables belong to the application? Apart from the base entity, so that the database layer needs no entity."""

from __future__ import annotations

from sqlalchemy import MetaData

_NAMES = {
    "ix": "ix_%(column_0_label)s",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    "pk": "%(table_name)s_pkey",
}
"""The names that PostgreSQL gives by itself: those of tables that are there already, and on SQLite a revision can name a constraint."""

PLANAR_APPLICATION_METADATA = MetaData(naming_convention=_NAMES)
"""Every table that an application declares by a subclass of `planar.modeling.orm.PlanarBaseEntity`."""
