"""Is every row and every weakness of the reference accounted for: shown by a test, to come, or not for us?"""

from __future__ import annotations

import ast
import tomllib
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
TABLE: dict[str, Any] = tomllib.loads(Path(__file__).with_name("parity.toml").read_text())
AREAS: dict[str, str] = TABLE.pop("areas")
SECTIONS: dict[str, dict[str, Any]] = TABLE
OUTCOMES = {"test", "later", "reason"}

# How many rows each table, and each list of weaknesses, of the reference's description has. Counted there by hand.
COUNTED = {
    "00.modules": 72,
    "01.attributes": 11,
    "01.methods": 8,
    "01.config-keys": 15,
    "01.defaults": 3,
    "01.cli": 3,
    "01.weak": 16,
    "02.decorators": 4,
    "02.calls": 5,
    "02.tables": 4,
    "02.serialization": 11,
    "02.behaviour": 28,
    "02.weak": 22,
    "03.manager": 4,
    "03.mixins": 3,
    "03.orm": 3,
    "03.helpers": 2,
    "03.schema": 2,
    "03.entity-api": 4,
    "03.filters": 3,
    "03.weak": 13,
    "05.rules": 8,
    "05.graph": 6,
    "05.rules-weak": 8,
    "05.object-config": 6,
    "05.object-config-weak": 9,
    "06.declaring": 3,
    "06.steps": 4,
    "06.functions": 4,
    "06.routes": 4,
    "06.weak": 12,
    "07.models": 4,
    "07.http": 3,
    "07.weak": 11,
    "07.storage": 5,
    "08.resources": 3,
    "08.checks": 4,
    "08.weak": 14,
    "09.testing": 5,
    "09.pinned": 15,
    "09.weak": 12,
    "10.routes": 18,
    "10.models": 11,
    "10.weak": 11,
}


def rows_of(section: str) -> dict[str, dict[str, Any]]:
    return {slug: row for slug, row in SECTIONS[section].items() if slug != "rows"}


ROWS = [(f"{section}.{slug}", row) for section in SECTIONS for slug, row in rows_of(section).items()]


def named_tests(row: dict[str, Any]) -> list[str]:
    named = row.get("test", [])
    return [named] if isinstance(named, str) else list(named)


@cache
def names_in(path: str) -> frozenset[str]:
    """The tests of a file: functions by name, methods as Class::name."""
    source = ROOT / path
    if not source.is_file():
        return frozenset()
    found: set[str] = set()
    for node in ast.parse(source.read_text(), path).body:
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{item.name}" for item in node.body if is_test(item)}
        elif is_test(node):
            found.add(node.name)
    return frozenset(found)


def is_test(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")


def exists(name: str) -> bool:
    """Is *name*, like ``tests/unit/test_x.py::test_y``, a test of this repository? A parameter in brackets is left aside."""
    path, _, inside = name.partition("::")
    return path.startswith("tests/") and inside.split("[")[0] in names_in(path)


@pytest.mark.parametrize("section", sorted({*COUNTED, *SECTIONS}))
def test_no_row_of_the_reference_is_missing(section: str) -> None:
    rows = {slug.split("/")[0] for slug in rows_of(section)}
    assert len(rows) == SECTIONS[section]["rows"] == COUNTED[section]


def test_each_row_says_what_it_is_and_has_exactly_one_outcome() -> None:
    wrong = [name for name, row in ROWS if not row["row"].strip() or len(OUTCOMES & set(row)) != 1 or set(row) - OUTCOMES != {"row"}]
    assert not wrong, f"each has a `row`, and one of {sorted(OUTCOMES)}"


def test_no_outcome_is_empty() -> None:
    assert not [name for name, row in ROWS if not all(row[key] for key in OUTCOMES & set(row))]


def test_each_row_names_tests_that_exist() -> None:
    assert not [f"{name}: {test}" for name, row in ROWS for test in named_tests(row) if not exists(test)]


def test_what_comes_later_belongs_to_a_known_area() -> None:
    unknown = [f"{name}: {row['later']}" for name, row in ROWS if "later" in row and row["later"] not in AREAS]
    assert not unknown, "add the area to [areas], or name one of those"


def test_each_reason_is_one_sentence() -> None:
    reasons = {name: row["reason"] for name, row in ROWS if "reason" in row}
    assert not [name for name, reason in reasons.items() if not reason.endswith(".") or len(reason.split()) < 5]


def test_every_area_is_used() -> None:
    assert set(AREAS) == {row["later"] for _, row in ROWS if "later" in row}


def test_a_row_that_is_cut_has_at_least_two_parts() -> None:
    for section in SECTIONS:
        parts = [slug.split("/")[0] for slug in rows_of(section) if "/" in slug]
        whole = {slug for slug in rows_of(section) if "/" not in slug}
        assert not [slug for slug in parts if parts.count(slug) < 2 or slug in whole]


def test_a_test_name_that_does_not_exist_is_found_out() -> None:
    assert exists("tests/surface/test_parity.py::test_every_area_is_used")
    assert not exists("tests/surface/test_parity.py::test_that_nobody_wrote")
    assert not exists("tests/surface/no_such_file.py::test_every_area_is_used")
    assert not exists("tests/surface/test_parity.py::exists")
