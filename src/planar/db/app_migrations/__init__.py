"""Migrations of the application's own tables.

`history` reads the revision files, `judgement` says what is wrong with a database and which command mends it, `starting` is the
look at the start of an app, `service` is what the commands do. Only `with_alembic` loads Alembic, and only when there is something
to do for it.
"""
