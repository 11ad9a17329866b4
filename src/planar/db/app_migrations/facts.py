"""What is there? The facts on which `judge` decides, read on one connection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection, MetaData

from planar.db.app_migrations.history import History
from planar.db.app_migrations.judgement import Facts
from planar.db.app_migrations.version_table import stored_revisions
from planar.db.tables import compare_tables


def read_facts(connection: Connection, metadata: Sequence[MetaData], allowed_older: History | None = None) -> Facts:
    """The revisions of a database, and how its tables compare with those of *metadata*.

    Args:
        allowed_older: of code that may run on a newer database: where it does, columns that no class has are no difference.
    """
    facts = Facts(stored_revisions(connection))
    may_have_more = allowed_older is not None and bool(allowed_older.unknown(facts.stored))
    for each in metadata:
        missing, differences = compare_tables(connection, each, may_have_more=may_have_more)
        absent = tuple(table.fullname for table in missing)
        present = tuple(table.fullname for table in each.sorted_tables if table not in missing)
        facts = replace(
            facts,
            present=facts.present + present,
            missing=facts.missing + absent,
            differences=facts.differences + tuple(differences),
        )
    return facts
