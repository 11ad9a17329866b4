"""What is a new revision called? By its time, so that files sort as they were made and two branches do not meet at one number."""

from __future__ import annotations

import re
from collections.abc import Container
from datetime import datetime, timedelta

_LONGEST_SLUG = 48


def revision_id(now: datetime, taken: Container[str]) -> str:
    """The id of a revision made at *now* (in UTC): 14 digits, the next second that is not in *taken*."""
    while (name := now.strftime("%Y%m%d%H%M%S")) in taken:
        now += timedelta(seconds=1)
    return name


def file_name(revision: str, message: str) -> str:
    """The name of its file: the id and the words of *message*."""
    words = re.sub(r"[^a-z0-9]+", "_", message.lower()).strip("_")
    slug = words[:_LONGEST_SLUG].rpartition("_")[0] or words[:_LONGEST_SLUG] if len(words) > _LONGEST_SLUG else words
    return f"{revision}_{slug}.py" if slug else f"{revision}.py"
