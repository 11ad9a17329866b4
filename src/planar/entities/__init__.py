"""The application's own tables, for people to see and edit over HTTP: what `PlanarApp.register_entity` takes becomes routes."""

from __future__ import annotations

from planar.entities.registration import EntityRegistry, RegisteredEntity

__all__ = ["EntityRegistry", "RegisteredEntity"]
