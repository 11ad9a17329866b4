"""Are the tables what this version, and the application, need?"""

from __future__ import annotations

from collections.abc import Iterator

from planar.engine.doctor.findings import Code, Finding, Severity, are
from planar.engine.store.facts import Facts


def check_tables(facts: Facts) -> Iterator[Finding]:
    """The engine's own tables."""
    current, head = facts.migration.current, facts.migration.head
    figures = {"current": current, "head": head}
    if current is None:
        yield Finding(
            Code.TABLES_MISSING,
            Severity.ERROR,
            "The tables of the engine are not there.",
            "Is this the right database? If it is, start the app once: it makes them.",
            figures,
        )
    elif current > head:
        yield Finding(
            Code.TABLES_NEWER,
            Severity.ERROR,
            f"The tables have revision {current}; this version of Planar knows them up to {head}, and does not start on them.",
            "Start the version that made them, or a newer one.",
            figures,
        )
    elif current != head:
        yield Finding(
            Code.MIGRATIONS_PENDING,
            Severity.WARNING,
            f"The tables have revision {current}; this version of Planar needs {head}.",
            "The first process of this version that starts migrates them. Those of the version before go on meanwhile.",
            figures,
        )


def check_application_tables(facts: Facts) -> Iterator[Finding]:
    """The tables of the application's classes."""
    app = facts.application
    if app is None:
        return
    if app.migrations is not None:
        for summary, command in app.migrations:
            remedy = f"The app does not start like this in prod. Run: {command}"
            yield Finding(Code.APPLICATION_MIGRATIONS, Severity.ERROR, summary, remedy, {"command": command})
        return
    if app.missing_tables:
        yield Finding(
            Code.APPLICATION_TABLES_MISSING,
            Severity.WARNING if app.missing_remedy is None else Severity.ERROR,
            f"{are(len(app.missing_tables), 'table')} missing of the application's: {', '.join(app.missing_tables)}.",
            "The next start of the app makes what is missing."
            if app.missing_remedy is None
            else f"The app does not start like this in prod. {app.missing_remedy}",
            {"tables": list(app.missing_tables)},
        )
    if app.differences:
        yield Finding(
            Code.APPLICATION_TABLES_DIFFER,
            Severity.ERROR,
            " ".join(app.differences),
            "The app does not start like this. Change the table to fit the class, or the class to fit the table.",
            {"differences": list(app.differences)},
        )


def describe_tables(facts: Facts) -> str:
    """What is said if nothing is wrong."""
    return f"revision {facts.migration.head}, the one that this version needs"


def describe_application_tables(facts: Facts) -> str:
    """What is said if nothing is wrong."""
    return "every table of the application is as its class says" if facts.application else "not checked: give --load-app"
