"""Records and cells of CSV are what RFC 4180 says; a cell without anything is no value, and one of two quotes is an empty text."""

from __future__ import annotations

import contextlib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planar.entities import formats
from planar.entities.formats import DELIMITERS, Format, guess_delimiter, join_cells, read_records, split_cells

CELLS = st.none() | st.text(st.characters(exclude_categories=("Cs",)) | st.sampled_from(['"', ",", ";", "\t", "|", "\n", "\r", " "]))


@given(st.lists(st.lists(CELLS, min_size=2, max_size=5), max_size=5), st.sampled_from(DELIMITERS))
def test_what_is_written_is_read_again(rows: list[list[str | None]], delimiter: str) -> None:
    content = "".join(join_cells(row, delimiter) for row in rows).encode()
    found = list(read_records(io.BytesIO(b"\xef\xbb\xbf" + content), Format.CSV))
    assert [record.problem for record in found] == [None] * len(rows)
    assert [split_cells(record.text, delimiter) for record in found] == rows


@given(st.binary(max_size=200))
def test_no_file_makes_the_reader_fail(content: bytes) -> None:
    for style in Format:
        for record in read_records(io.BytesIO(content), style):
            with contextlib.suppress(ValueError):
                split_cells(record.text, ",")


@pytest.mark.parametrize(
    ("text", "cells"),
    [
        ("", [None]),
        (",", [None, None]),
        ('""', [""]),
        ('"",', ["", None]),
        ('"a""b",c', ['a"b', "c"]),
        (" a , b", [" a ", " b"]),
        ('"x\ny"', ["x\ny"]),
        ("a\u2028b", ["a\u2028b"]),
    ],
)
def test_cells(text: str, cells: list[str | None]) -> None:
    assert split_cells(text, ",") == cells


@pytest.mark.parametrize("text", ['a"b,c', '"a"b', '"a" ,b', ' "a",b'])
def test_a_quote_where_none_may_stand_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="quote"):
        split_cells(text, ",")


def test_a_record_is_known_by_its_first_line() -> None:
    found = list(read_records(io.BytesIO(b'a\n"b\n\nc"\r\nd'), Format.CSV))
    assert [(record.line, record.text) for record in found] == [(1, "a"), (2, '"b\n\nc"'), (5, "d")]


def test_a_quote_that_is_never_closed_ends_the_file_and_not_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "MAX_RECORD_BYTES", 100)
    file = io.BytesIO(b'a\n"b\n' + b"c,d\n" * 1000)
    found = list(read_records(file, Format.CSV))
    assert [(record.line, record.ends) for record in found] == [(1, False), (2, True)]
    assert file.tell() < 300


def test_a_line_that_is_too_long_ends_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "MAX_RECORD_BYTES", 100)
    (found,) = read_records(io.BytesIO(b"x" * 1000), Format.JSONL)
    assert found.ends
    assert "longer" in (found.problem or "")


@pytest.mark.parametrize(
    ("header", "sign"),
    [("a,b", ","), ("a;b;c", ";"), ("a\tb", "\t"), ("a|b", "|"), ("a", ","), ('"a;b;c",d', ","), ('"a,b";"c,d"', ";")],
)
def test_the_header_shows_the_delimiter(header: str, sign: str) -> None:
    assert guess_delimiter(header) == sign
