from __future__ import annotations

import pytest

from planar.config.document import dotted, read_document
from planar.config.errors import InvalidConfigurationError


def read(text: str, **variables: str) -> dict[str, object]:
    return read_document(text, "planar.yaml", variables).data


def test_a_value_cannot_change_the_shape_of_the_file() -> None:
    assert read("a: ${X}\nb: 1", X="x\nb: 2\nc: {d: 3}") == {"a": "x\nb: 2\nc: {d: 3}", "b": 1}


def test_a_variable_of_digits_stays_text_so_that_a_password_keeps_its_zeros() -> None:
    assert read("a: ${X}\nb: '${X}'", X="0123") == {"a": "0123", "b": "0123"}


def test_an_unquoted_variable_that_is_empty_means_not_set() -> None:
    assert read("a: ${X}\nb: '${X}'\nc: ${ABSENT:-}\nd: x${X}", X="") == {"a": None, "b": "", "c": None, "d": "x"}


def test_variables_are_replaced_in_lists_and_deep_mappings_but_not_in_keys() -> None:
    assert read("a: [{$X: $X}]", X="1") == {"a": [{"$X": "1"}]}


def test_every_unset_variable_is_told_with_file_line_and_key() -> None:
    with pytest.raises(InvalidConfigurationError) as caught:
        read("a: 1\nb:\n  c: ${FIRST}\nd: [x, '${SECOND}']")
    assert str(caught.value).splitlines() == [
        "planar.yaml cannot be used:",
        "  line 3: b.c: the environment variable FIRST is not set",
        "  line 4: d[1]: the environment variable SECOND is not set",
    ]


def test_a_repeated_key_is_refused() -> None:
    with pytest.raises(InvalidConfigurationError, match=r"line 3: a\.b: the key stands there twice"):
        read("a:\n  b: 1\n  b: 2")


def test_an_anchor_may_be_merged_and_overridden() -> None:
    assert read("x: &base {a: 1, b: 2}\ny: {<<: *base, b: 3}") == {"x": {"a": 1, "b": 2}, "y": {"a": 1, "b": 3}}


@pytest.mark.parametrize("text", ["", "# only a comment", "---\n"])
def test_an_empty_file_says_nothing(text: str) -> None:
    assert read(text) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: {b: ${X}}", "between braces or brackets, put"),
        ("a: [", r"Error parsing override configuration file planar.yaml: line 1, column 5"),
        ("a: !x 1", r"Error parsing override configuration file planar.yaml: line 1, column 4"),
        ("a: &a [*a]", "contains itself"),
        ("1: 2", "a key must be text"),
        ("- a", "must be a mapping of keys to values, not list"),
        ("a: 1\n---\nb: 2", "but found another document"),
    ],
)
def test_text_that_is_no_mapping_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(InvalidConfigurationError, match=message):
        read(text)


def test_a_parse_error_does_not_quote_the_text() -> None:
    with pytest.raises(InvalidConfigurationError) as caught:
        read("password: geheim: more")
    assert "geheim" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_the_line_of_what_is_not_there_is_the_one_around_it() -> None:
    document = read_document("a:\n  b:\n    c: 1", "planar.yaml", {})
    assert document.line(("a", "b", "c")) == 3
    assert document.line(("a", "b", "other")) == 2
    assert document.line(("else",)) is None


def test_a_path_is_written_with_dots_and_brackets() -> None:
    assert dotted(("a", "b", 0, "c")) == "a.b[0].c"
