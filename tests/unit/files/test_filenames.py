from __future__ import annotations

import unicodedata
from pathlib import PurePosixPath, PureWindowsPath
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as some

from planar.files.filenames import MAX_LENGTH, clean_filename, content_disposition

hostile = some.text(alphabet=some.one_of(some.characters(), some.sampled_from('/\\.:"\r\n\0 \u202e\u2028conCON')), max_size=400)


@given(hostile)
def test_whatever_is_given_the_name_is_one_part_of_a_path_that_can_be_seen(given_name: str) -> None:
    name = clean_filename(given_name)
    assert name == name.strip()
    assert 0 < len(name) <= MAX_LENGTH
    assert len(name.encode()) <= MAX_LENGTH
    assert not set(name) & set('/\\:"<>|?*\0\r\n')
    assert not name.startswith(".")
    assert PurePosixPath(name).name == PureWindowsPath(name).name == name
    assert all(unicodedata.category(char) not in ("Cc", "Zl", "Zp", "Cs") for char in name)
    assert "\u202e" not in name


@given(hostile)
def test_a_clean_name_stays_as_it_is(given_name: str) -> None:
    name = clean_filename(given_name)
    assert clean_filename(name) == name


@given(hostile)
def test_the_header_is_one_line_of_ascii_and_holds_the_whole_name(given_name: str) -> None:
    name = clean_filename(given_name)
    header = content_disposition(name)
    assert header.isascii()
    assert header.isprintable()
    assert header.count('"') == 2
    assert unquote(header.partition("filename*=UTF-8''")[2]) == name


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("a.txt", "a.txt"),
        ("Rechnung Mü.pdf", "Rechnung Mü.pdf"),
        ("C:\\Users\\x\\a.txt", "a.txt"),
        ("../../a.txt", "a.txt"),
        ("a.txt\r\nSet-Cookie: x", "a.txtSet-Cookie_ x"),
        ("...hidden.. ", "hidden"),
        ("NUL", "_NUL"),
        ("com1.tar.gz", "_com1.tar.gz"),
        ("company.txt", "company.txt"),
        ("e\u0301.txt", "\u00e9.txt"),
        ("ä" * 300 + ".docx", "ä" * 125 + ".docx"),
    ],
)
def test_examples(given_name: str, kept: str) -> None:
    assert clean_filename(given_name) == kept


@pytest.mark.parametrize("nothing", [None, "", "...", "/", "\u202e", "  ", ".. /.. "])
def test_where_nothing_is_left_the_name_is_made_up(nothing: str | None) -> None:
    assert len(clean_filename(nothing)) == 36
    assert clean_filename(nothing) != clean_filename(nothing)
