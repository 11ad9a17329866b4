"""A pattern means the same to GLOB as to LIKE."""

from __future__ import annotations

import sqlite3

import pytest

from planar.entities.expressions import glob_of


@pytest.mark.parametrize(
    ("pattern", "glob"),
    [("a%b_", "a*b?"), ("100\\%", "100%"), ("\\_", "_"), ("[a]*?", "[[]a][*][?]"), ("\\\\", "\\"), ("", ""), ("\\a", "a"), ("\\*", "[*]")],
)
def test_signs_are_translated(pattern: str, glob: str) -> None:
    assert glob_of(pattern) == glob


@pytest.mark.parametrize("text", ["a*b", "[x]", "?", "a%", "_", "\\", "]", "a-z", "^"])
def test_an_escaped_text_finds_itself_only(text: str) -> None:
    escaped = "".join("\\" + sign if sign in "%_\\" else sign for sign in text)
    connection = sqlite3.connect(":memory:")
    try:
        found = [connection.execute("select ? glob ?", (other, glob_of(escaped))).fetchone()[0] for other in (text, text + "x", "")]
    finally:
        connection.close()
    assert found == [1, 0, 0]
