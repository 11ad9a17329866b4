"""How is Alembic set up? In memory: no ini file, no ``env.py``, and the revisions' folder holds revisions only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext, MigrationStep
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from planar.db.app_migrations.collations import kept_collations
from planar.db.app_migrations.connecting import check_foreign_keys
from planar.db.app_migrations.version_table import VERSION_TABLE

Decide = Callable[[tuple[str, ...], MigrationContext], Sequence[MigrationStep]]
"""Given what the database has, inside the transaction that will change it: what is to be done?"""


class Alembic:
    """Alembic for the revisions in *folder*, which are loaded once.

    Args:
        folder: where the revision files are.
    """

    def __init__(self, folder: Path) -> None:
        self.config = Config()
        self.config.set_main_option("script_location", _escaped(Path(__file__).parent))
        self.config.set_main_option("version_locations", _escaped(folder))
        # A path may hold any character but this.
        self.config.set_main_option("path_separator", "newline")
        self.config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
        self.scripts = ScriptDirectory.from_config(self.config)

    def step(self, revision: str, *, up: bool) -> MigrationStep:
        """What applies, or undoes, *revision*."""
        # The file was read before, so it is there; that Alembic knows it by the same id, both read from it.
        script: Any = self.scripts.get_revision(revision)
        make = MigrationStep.upgrade_from_script if up else MigrationStep.downgrade_from_script
        return make(self.scripts.revision_map, script)

    def run(self, connection: Connection, decide: Decide, **options: Any) -> None:
        """Do what *decide* says in one transaction on *connection*, which has none yet.

        Args:
            options: further ones of Alembic's ``EnvironmentContext.configure``.
        """

        def steps(heads: Any, context: MigrationContext) -> Any:
            return decide(tuple(heads), context)

        with EnvironmentContext(self.config, self.scripts, fn=steps) as environment, kept_collations(connection):
            environment.configure(
                connection=connection,
                version_table=VERSION_TABLE,
                render_as_batch=True,
                # Alembic takes SQLite for a database that cannot undo DDL; our connections can.
                transactional_ddl=True,
                **options,
            )
            with environment.begin_transaction():
                environment.run_migrations()
                check_foreign_keys(connection)

    def sql(self, dialect: str, steps: Sequence[MigrationStep], starting: str | None) -> str:
        """The statements of *steps* for the database *dialect*, which has the revision *starting*, without a connection."""

        def all_steps(_heads: Any, _context: MigrationContext) -> Any:
            return steps

        output = StringIO()
        with EnvironmentContext(self.config, self.scripts, fn=all_steps, as_sql=True, starting_rev=starting) as environment:
            environment.configure(
                dialect_name=dialect,
                version_table=VERSION_TABLE,
                literal_binds=True,
                transaction_per_migration=True,
                output_buffer=output,
            )
            with environment.begin_transaction():
                environment.run_migrations()
        return output.getvalue()


def _escaped(path: Path) -> str:
    return str(path).replace("%", "%%")
