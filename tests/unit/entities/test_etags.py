"""An entity tag is compared as HTTP says."""

from __future__ import annotations

import pytest

from planar.entities.etags import matches, matches_weakly


@pytest.mark.parametrize(
    ("asked", "strong", "weak"),
    [
        ('"a"', True, True),
        ("a", True, False),
        ("*", True, True),
        ('"b", "a"', True, True),
        ('W/"a"', False, True),
        ('"b"', False, False),
        ("", False, False),
    ],
)
def test_a_tag_is_among_those_that_were_asked_for(asked: str, strong: bool, weak: bool) -> None:
    assert matches(asked, '"a"') is strong
    assert matches_weakly(asked, '"a"') is weak
