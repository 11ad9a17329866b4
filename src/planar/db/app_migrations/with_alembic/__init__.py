"""The part of the application's migrations that uses Alembic: loaded when there is a revision to write, apply or compare.

The folder is also where Alembic looks for its template, so that an application's folder holds nothing but its revisions.
"""

from __future__ import annotations

import logging

_CHATTER = logging.getLogger("alembic")
if _CHATTER.level == logging.NOTSET:
    # What it does is told by us, in fewer lines; said here, before it is loaded.
    _CHATTER.setLevel(logging.WARNING)
