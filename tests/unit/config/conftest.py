"""A process without Planar's variables, in an empty directory; what a test sets is gone afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current directory of the test. Variables that the code itself sets (from a ``.env`` file) are removed again."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("PLANAR_") or name == "DB_SECRET_NAME"]:
        monkeypatch.delenv(name)
    before = dict(os.environ)
    yield tmp_path
    for name in set(os.environ) - set(before):
        del os.environ[name]


@pytest.fixture
def write(home: Path):
    """Write a file below the test's directory and return its path."""

    def write_file(name: str, text: str) -> Path:
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write_file
