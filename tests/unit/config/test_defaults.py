from __future__ import annotations

import re

import pytest

from planar.config import LOCAL_CORS_CONFIG, PROD_CORS_CONFIG, deep_merge_dicts


def test_mappings_are_merged_and_everything_else_is_replaced() -> None:
    below = {"a": {"x": 1, "y": [1, 2]}, "b": 1, "c": {"z": 1}}
    above = {"a": {"y": [3]}, "b": {"n": 1}, "c": None}
    assert deep_merge_dicts(above, below) == {"a": {"x": 1, "y": [3]}, "b": {"n": 1}, "c": None}


def test_merging_changes_neither_argument() -> None:
    below, above = {"a": {"x": 1}}, {"a": {"y": 2}}
    deep_merge_dicts(above, below)
    assert (below, above) == ({"a": {"x": 1}}, {"a": {"y": 2}})


@pytest.mark.parametrize(
    ("origin", "allowed"),
    [
        ("http://localhost:3000", True),
        ("https://127.0.0.1", True),
        ("http://[::1]:5173", True),
        ("http://localhost.evil.example", False),
        ("http://evil.example", False),
    ],
)
def test_the_origins_of_dev_are_this_machine(origin: str, allowed: bool) -> None:
    assert isinstance(LOCAL_CORS_CONFIG.allow_origins, str)
    assert bool(re.fullmatch(LOCAL_CORS_CONFIG.allow_origins, origin)) is allowed


def test_prod_allows_no_foreign_origin() -> None:
    assert PROD_CORS_CONFIG.middleware_options()["allow_origins"] == []
    assert PROD_CORS_CONFIG.middleware_options()["allow_origin_regex"] is None
