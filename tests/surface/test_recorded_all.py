"""Did a public name appear or disappear without anybody saying so?"""

from __future__ import annotations

import importlib
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

from scripts.record_surface import public_modules, surface

RECORDED: dict[str, list[str]] = tomllib.loads(Path(__file__).with_name("recorded_all.toml").read_text())


def is_package(module: ModuleType) -> bool:
    return hasattr(module, "__path__")


def test_every_public_name_is_a_recorded_one() -> None:
    assert surface() == RECORDED, "if this change is meant, run `make record-surface` and describe it in changes/"


@pytest.mark.parametrize("name", public_modules())
def test_every_public_package_lists_its_names(name: str) -> None:
    module = importlib.import_module(name)
    assert hasattr(module, "__all__") or not is_package(module), "a package lists what users may import in __all__"


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_every_listed_name_exists_and_stands_once(name: str) -> None:
    module = importlib.import_module(name)
    listed = list(module.__all__)
    assert sorted(set(listed)) == sorted(listed)
    assert not [entry for entry in listed if not hasattr(module, entry)]
