"""The history of the application's rows: each change that goes through a `PlanarSession`, written in the transaction that makes it.

`flushes` watches the unit of work, `statements` what writes many rows at once. Neither raw SQL nor what the database does by itself
(``ON DELETE CASCADE``, triggers) is seen.
"""

from __future__ import annotations

from planar.db.history.listening import keep_history
from planar.db.history.models import ChangeAction, PlanarEntityChange
from planar.db.history.values import restored

__all__ = ["ChangeAction", "PlanarEntityChange", "keep_history", "restored"]
