"""A process without Planar's variables, in an empty directory; variables, imports and search path are put back afterwards."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current directory of the test."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("PLANAR_")]:
        monkeypatch.delenv(name)
    variables, path, modules = dict(os.environ), list(sys.path), set(sys.modules)
    yield tmp_path
    for name in set(os.environ) - set(variables):
        del os.environ[name]
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        file = getattr(sys.modules[name], "__file__", None)
        if file is None or file.startswith(str(tmp_path)):
            del sys.modules[name]
