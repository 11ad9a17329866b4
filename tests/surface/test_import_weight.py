"""Does a program pay for what it does not use? What does an import load?"""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {"alembic", "zen", "cedarpy", "obstore", "boto3", "opentelemetry.sdk", "openai", "anthropic", "google.genai", "pydantic_ai"}


def loaded_by(statement: str) -> set[str]:
    """The modules in memory after *statement*, in a fresh interpreter."""
    code = f"import sys\n{statement}\nprint(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_importing_the_package_loads_no_framework() -> None:
    assert not loaded_by("import planar") & {"fastapi", "sqlmodel", "sqlalchemy", "pydantic", "uvicorn"}


@pytest.mark.parametrize(
    "statement", ["from planar import PlanarApp", "import planar.workflows", "import planar.config", "import planar.db"]
)
def test_heavy_libraries_load_at_first_use_only(statement: str) -> None:
    assert not loaded_by(statement) & HEAVY
