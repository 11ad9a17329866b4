"""Can a program written for the reference import what it imports there?"""

from __future__ import annotations

import importlib
import tomllib
from pathlib import Path
from typing import Any

import pytest

LIST: dict[str, Any] = tomllib.loads(Path(__file__).with_name("public_names.toml").read_text())
MODULES: list[dict[str, Any]] = LIST["module"]
BUILT = [(module["name"], name) for module in MODULES for name in module.get("built", [])]
LATER = [(module["name"], name) for module in MODULES for names in module.get("later", {}).values() for name in names]


@pytest.mark.parametrize(("module", "name"), BUILT, ids=lambda value: value)
def test_every_built_name_is_imported_from_its_module(module: str, name: str) -> None:
    assert hasattr(importlib.import_module(module), name), f"`from {module} import {name}` must work"


def test_no_line_of_the_list_has_disappeared() -> None:
    assert len(MODULES) == LIST["modules"]
    assert len(BUILT) + len(LATER) == LIST["names"]


def test_no_name_stands_twice() -> None:
    listed = BUILT + LATER
    assert sorted(set(listed)) == sorted(listed)


def test_what_comes_later_names_its_area() -> None:
    areas = {area for module in MODULES for area in module.get("later", {})}
    assert all(area.strip() for area in areas)
