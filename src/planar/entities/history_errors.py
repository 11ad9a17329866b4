"""What can go wrong when somebody asks for a history."""

from __future__ import annotations

from planar.entities.errors import EntityError


class HistoryNotKept(EntityError):
    """No history is kept of this entity."""

    code = "history_not_kept"
    status = 404
