"""What does a process remember of versions, and how much?"""

from __future__ import annotations

from planar.object_config.choosing import Remembered


def test_what_was_used_least_lately_is_forgotten_first() -> None:
    held = Remembered[str](2)
    held.put("a", "A")
    held.put("b", "B")
    assert held.get("a") == "A"
    held.put("c", "C")
    assert [held.get(key) for key in "abc"] == ["A", None, "C"]


def test_together_they_weigh_no_more_than_they_may() -> None:
    held = Remembered[str](100, most=10)
    for key in "abc":
        held.put(key, key.upper(), 4)
    assert [held.get(key) for key in "abc"] == [None, "B", "C"]
    held.put("b", "again", 1)
    held.put("d", "D", 5)
    assert [held.get(key) for key in "bcd"] == ["again", "C", "D"]
    held.put("huge", "H", 1000)
    assert [held.get(key) for key in ("b", "c", "d", "huge")] == [None, None, None, "H"], "the last one is held in any case"
    held.drop("huge")
    held.put("e", "E", 10)
    held.clear()
    held.put("f", "F", 10)
    assert held.get("f") == "F"
