"""What is the same, and what differs, place by place."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from planar.object_config.texts import Difference, DifferenceKind, differences, fingerprint_of

ADDED, REMOVED, CHANGED = DifferenceKind

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


def found(before: Any, after: Any) -> list[tuple[str, DifferenceKind]]:
    return [(each.pointer, each.kind) for each in differences(before, after)]


@given(JSON)
def test_what_is_the_same_has_no_difference_and_one_fingerprint(value: Any) -> None:
    assert found(value, json.loads(json.dumps(value))) == []
    assert fingerprint_of(json.dumps(value)) == fingerprint_of(json.dumps(value, indent=3, sort_keys=True))


@given(JSON, JSON)
def test_what_is_not_the_same_has_a_difference_and_two_fingerprints(one: Any, two: Any) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(two, sort_keys=True)
    assert (found(one, two) == []) is same
    assert (fingerprint_of(json.dumps(one)) == fingerprint_of(json.dumps(two))) is same


def test_members_are_named_by_pointers() -> None:
    before = {"a/b": 1, "c~d": {"e": [1, 2]}, "gone": 0}
    after = {"a/b": 2, "c~d": {"e": [1, 3, 4]}, "new": 0}
    assert found(before, after) == [
        ("/a~1b", CHANGED),
        ("/c~0d/e/1", CHANGED),
        ("/c~0d/e/2", ADDED),
        ("/gone", REMOVED),
        ("/new", ADDED),
    ]


def test_items_with_ids_are_matched_by_them() -> None:
    before = [{"id": "a", "x": 1}, {"id": "b", "x": 1}]
    assert found(before, [{"id": "new"}, *before]) == [("/0", ADDED)]
    assert list(differences(before, before[::-1])) == [Difference("", CHANGED, ["a", "b"], ["b", "a"])]
    assert found(before, [{"id": "a", "x": 1}, {"id": "a", "x": 1}]) == [("/1/id", CHANGED)], "an id that is there twice says nothing"


def test_true_is_not_one() -> None:
    assert found({"x": 1}, {"x": True}) == [("/x", CHANGED)]
    assert found({"x": 0}, {"x": False}) == [("/x", CHANGED)]
    assert found({"x": 1}, {"x": None}) == [("/x", CHANGED)]
