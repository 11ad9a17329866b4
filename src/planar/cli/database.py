"""Which database do a command's settings mean? One that is there: a command makes none."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import URL

from planar.cli.errors import CommandFailed


def existing_database(url: URL) -> URL:
    """*url*, if connecting does not make the database: an SQLite file that is not there would be made.

    Raises:
        CommandFailed: it is not there, or is in memory.
    """
    if url.get_backend_name() == "sqlite":
        if url.database in (None, "", ":memory:"):
            raise CommandFailed("The database of these settings is in memory: it ends with its app, and nobody else sees it.")
        if not Path(str(url.database)).is_file():
            raise CommandFailed(f"There is no file {url.database}. Start the app once, or correct the path in the settings.")
    return url
