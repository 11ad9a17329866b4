"""What is there? The facts on which `judge` decides, read on one connection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection, MetaData

from planar.db.app_migrations.judgement import Facts
from planar.db.app_migrations.version_table import stored_revisions
from planar.db.tables import compare_tables


def read_facts(connection: Connection, metadata: Sequence[MetaData], *, may_have_more: bool = False) -> Facts:
    """The revisions of a database, and how its tables compare with those of *metadata*; *may_have_more* as `compare_tables`."""
    facts = Facts(stored_revisions(connection))
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
