"""The package's names are there when they are asked for, and cost nothing before."""

from __future__ import annotations

import subprocess
import sys

import pytest

from planar import testing


@pytest.mark.parametrize("name", testing.__all__)
def test_every_name_is_found_at_its_first_use(name: str) -> None:
    assert getattr(testing, name).__name__.rpartition(".")[2] == name
    assert callable(getattr(testing, name))
    assert name in dir(testing)


def test_a_name_that_does_not_exist_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match=r"'planar\.testing' has no attribute 'SlowClock'"):
        _ = testing.SlowClock  # type: ignore[attr-defined]


def test_the_plugin_loads_hardly_anything() -> None:
    code = "import sys, pytest; before = set(sys.modules); import planar.testing.plugin; print(*sorted(set(sys.modules) - before))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert loaded == ["planar", "planar.testing", "planar.testing.plugin"]
