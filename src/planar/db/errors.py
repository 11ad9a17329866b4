"""What can go wrong with the database.

::

    DatabaseError
    ├── UnsupportedDatabase     neither SQLite nor PostgreSQL (also NotImplementedError)
    ├── NotConnected            asked for before `connect` (also RuntimeError)
    ├── DatabaseUnavailable     it cannot be opened
    ├── DatabaseBusy            somebody else held the write lock for too long
    ├── WriteHeldTooLong        this session held the write lock for too long
    ├── SessionNotBound         no session belongs to this task (also LookupError)
    ├── SessionEnded            the step or request of this session is over (also RuntimeError)
    ├── UncommittedWork         a transaction would have swallowed another (also RuntimeError)
    ├── TransactionControl      BEGIN, COMMIT or ROLLBACK as text (also ValueError)
    ├── TablesBehind            a table or a column that a class declares is not there
    └── MigrationError          the tables are not what this version needs
        ├── UnknownRevision     the framework's tables belong to a newer version
        ├── TableDiffers        a table of the application is not what its class says
        ├── NoMigrations        the application has no revisions, or no folder for them
        ├── HistoryBroken       the revision files do not make a history
        ├── SeveralHeads        two revisions are the newest
        ├── NoSuchRevision      no revision is called so
        ├── NoApplicationTables there is nothing to write a revision for
        ├── DatabaseBehind      revisions are not applied
        ├── DatabaseAhead       the database has a revision that the code does not know
        ├── TablesNotAdopted    tables exist, and no revision says so
        └── RevisionFailed      a revision could not be applied or undone
"""

from __future__ import annotations

from planar.errors import PlanarError


class DatabaseError(PlanarError):
    """The database could not do what was asked."""

    code = "database_error"


class UnsupportedDatabase(DatabaseError, NotImplementedError):
    """Planar runs on SQLite and on PostgreSQL."""

    code = "unsupported_database"


class NotConnected(DatabaseError, RuntimeError):
    """The database is not connected. Call `await manager.connect()` first."""

    code = "database_not_connected"


class DatabaseUnavailable(DatabaseError):
    """The database cannot be opened."""

    code = "database_unavailable"
    status = 503


class DatabaseBusy(DatabaseError):
    """Somebody else held the write lock for too long. Try again later."""

    code = "database_busy"
    status = 503


class WriteHeldTooLong(DatabaseError):
    """This session held the write lock for too long, so its transaction was undone. Write last."""

    code = "write_held_too_long"
    status = 503


class SessionNotBound(DatabaseError, LookupError):
    """No database session belongs to this task."""

    code = "session_not_bound"


class SessionEnded(DatabaseError, RuntimeError):
    """The step or request that this session belonged to is over."""

    code = "session_ended"


class UncommittedWork(DatabaseError, RuntimeError):
    """The session has uncommitted work."""

    code = "uncommitted_work"


class TransactionControl(DatabaseError, ValueError):
    """A transaction is controlled by the session, not by a statement."""

    code = "transaction_control"


class TablesBehind(DatabaseError):
    """A table or a column of the application is missing. `planar db check` says what to run, such as `planar db upgrade`."""

    code = "tables_behind"
    status = 503


class MigrationError(DatabaseError):
    """The tables are not what this version of the program needs."""

    code = "migration_error"


class UnknownRevision(MigrationError):
    """The framework's tables were made by a newer version of Planar."""

    code = "unknown_revision"


class TableDiffers(MigrationError):
    """A table of the application is not what its class says."""

    code = "table_differs"


class NoMigrations(MigrationError):
    """The application has no revisions, or no folder for them. Make it with: planar db init"""

    code = "no_migrations"


class HistoryBroken(MigrationError):
    """The revision files do not make a history."""

    code = "history_broken"


class SeveralHeads(MigrationError):
    """Two revisions are the newest. Join them with: planar db revision --merge"""

    code = "several_heads"


class NoSuchRevision(MigrationError, LookupError):
    """No revision is called so."""

    code = "no_such_revision"


class NoApplicationTables(MigrationError):
    """The application declares no table: there is nothing to write a revision for."""

    code = "no_application_tables"


class DatabaseBehind(MigrationError):
    """Revisions of the application are not applied. Run: planar db upgrade"""

    code = "database_behind"


class DatabaseAhead(MigrationError):
    """The database has a revision that the code does not know."""

    code = "database_ahead"


class TablesNotAdopted(MigrationError):
    """The application's tables exist, and no revision says so. Run: planar db upgrade --adopt"""

    code = "tables_not_adopted"


class RevisionFailed(MigrationError):
    """A revision could not be applied or undone."""

    code = "revision_failed"
