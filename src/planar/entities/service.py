"""What can be done with entities from outside: look, make, change, delete. One function an intention; HTTP is the router's."""

from __future__ import annotations

from planar.entities.writing import Change, create_many, delete_many, update_many

__all__ = ["Change", "create_many", "delete_many", "update_many"]
