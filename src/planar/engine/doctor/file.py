"""Is the SQLite file sound, and not larger than it has to be?"""

from __future__ import annotations

from collections.abc import Iterator

from planar.engine.doctor.findings import Code, Finding, Severity, bytes_of
from planar.engine.doctor.limits import Limits
from planar.engine.store.facts import Facts


def check_file(facts: Facts, limits: Limits) -> Iterator[Finding]:
    """The file itself."""
    file = facts.file
    if file is None:
        return
    if file.problems:
        yield Finding(
            Code.FILE_DAMAGED,
            Severity.ERROR,
            f"The file is damaged: {'; '.join(file.problems[:3])}.",
            "Stop every process that uses it, keep a copy of the file with its -wal, and restore a backup, or what `.recover` of the "
            "sqlite3 program saves.",
            {"problems": list(file.problems)},
        )
    if limits.wal_bytes.severity(file.wal) is not None:
        yield Finding(
            Code.WAL_LARGE,
            Severity.WARNING,
            f"The log beside the file has {bytes_of(file.wal)}: somebody reads an old state, and so it cannot be put into the file.",
            "End the long-running reader (a report, a browser of databases, a session that was not closed).",
            {"wal_bytes": file.wal},
        )
    if file.free > limits.free_bytes and file.free * 2 > file.size:
        yield Finding(
            Code.FREE_SPACE,
            Severity.INFO,
            f"{bytes_of(file.free)} of the file's {bytes_of(file.size)} hold nothing.",
            "They are used again. To give them back, run `vacuum` while the app is stopped.",
            {"free_bytes": file.free, "bytes": file.size},
        )


def describe_file(facts: Facts) -> str:
    """What is said if nothing is wrong."""
    return f"sound; {bytes_of(facts.file.size)}, log {bytes_of(facts.file.wal)}" if facts.file is not None else ""
