"""The store on PostgreSQL.

`store` is the port; `lane` writes and `entries` says what an entry means, with `windows` for what many runs do alike, `folding`
for which of them go together and `waking` for who is woken; `statements` has the words, `rows` the values. `locks` keeps
processes apart, `heart` tells who lives, `telling` how others hear of a commit.
"""

from __future__ import annotations

from planar.engine.store.postgres.store import PostgresStore

__all__ = ["PostgresStore"]
