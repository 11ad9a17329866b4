"""The port in the plainest Python: read `entries` first, it says what an entry means.

`database` holds what is remembered, `entries` changes it, `store` is the lane and the reads.
"""

from __future__ import annotations

from planar.engine.store.memory.database import MemoryDatabase
from planar.engine.store.memory.store import MemoryStore

__all__ = ["MemoryDatabase", "MemoryStore"]
