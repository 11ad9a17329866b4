"""No name breaks out of its header."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planar.files.storage.attachment import attachment


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("a.pdf", 'attachment; filename="a.pdf"'),
        ("two words.pdf", 'attachment; filename="two words.pdf"'),
        ("Größe.pdf", "attachment; filename=\"Gr__e.pdf\"; filename*=UTF-8''Gr%C3%B6%C3%9Fe.pdf"),
        ('a"b.pdf', "attachment; filename=\"a_b.pdf\"; filename*=UTF-8''a%22b.pdf"),
        ("100%25.txt", "attachment; filename=\"100_25.txt\"; filename*=UTF-8''100%2525.txt"),
        ("a.pdf\r\nSet-Cookie: x=y", 'attachment; filename="a.pdfSet-Cookie: x=y"'),
        ("../../etc/passwd", 'attachment; filename="passwd"'),
        ("C:\\Users\\me\\a.pdf", 'attachment; filename="a.pdf"'),
        ("", 'attachment; filename="file"'),
        ("\u202egnp.exe", 'attachment; filename="gnp.exe"'),
        ("a/", 'attachment; filename="file"'),
    ],
)
def test_a_name_becomes_a_header(name: str, header: str) -> None:
    assert attachment(name) == header


@given(st.text())
def test_whatever_the_name_the_header_is_one_line_of_ascii_with_one_quoted_name(name: str) -> None:
    header = attachment(name)
    assert header.isascii()
    assert header.isprintable()
    assert header.startswith('attachment; filename="')
    assert header.count('"') == 2
    assert "/" not in header.split('"')[1]
