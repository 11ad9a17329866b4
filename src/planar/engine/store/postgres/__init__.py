"""The store on PostgreSQL.

`store` is the port, `lane` who writes, `entries` what an entry means, `statements` the words, `folding` which entries share one, `locks`
what keeps processes apart, `heart` who lives, `telling` how others hear of it.
"""

from __future__ import annotations

from planar.engine.store.postgres.store import PostgresStore

__all__ = ["PostgresStore"]
