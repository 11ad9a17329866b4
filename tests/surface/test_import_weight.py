"""Does a program pay for what it does not use? What an import loads, and how long it takes beside what it cannot do without."""

from __future__ import annotations

import subprocess
import sys
from resource import RUSAGE_CHILDREN, getrusage

import pytest

HEAVY = {"alembic", "zen", "cedarpy", "obstore", "boto3", "opentelemetry.sdk", "openai", "anthropic", "google.genai", "pydantic_ai"}
RATIO = 1.3
ROUNDS = 20


def loaded_by(statement: str) -> set[str]:
    """The modules in memory after *statement*, in a fresh interpreter."""
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def seconds(statement: str) -> float:
    """What *statement* costs a fresh interpreter, in time of the processor, which a busy machine does not change much."""
    before = getrusage(RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", statement], capture_output=True, check=True)
    after = getrusage(RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_importing_the_package_loads_no_framework() -> None:
    assert not loaded_by("import planar") & {"fastapi", "sqlmodel", "sqlalchemy", "pydantic", "uvicorn"}


@pytest.mark.parametrize(
    "statement", ["from planar import PlanarApp", "import planar.workflows", "import planar.config", "import planar.db"]
)
def test_heavy_libraries_load_at_first_use_only(statement: str) -> None:
    assert not loaded_by(statement) & HEAVY


def test_importing_the_app_costs_little_more_than_what_it_stands_on() -> None:
    ours = theirs = float("inf")
    for number in range(1, ROUNDS + 1):  # As many as a busy machine needs for one quiet moment.
        theirs = min(theirs, seconds("import fastapi, sqlmodel"))
        ours = min(ours, seconds("from planar import PlanarApp"))
        if number >= 5 and ours <= RATIO * theirs:
            break
    assert ours <= RATIO * theirs
