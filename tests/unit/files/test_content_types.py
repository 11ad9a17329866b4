from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as some

from planar.files.content_types import OCTET_STREAM, detected_type, matches, normal_type, recorded_type

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize(
    ("claimed", "filename", "kind"),
    [
        ("image/PNG", "", "image/png"),
        ("text/plain; charset=UTF-8; format=flowed", "", "text/plain; charset=utf-8"),
        ('text/csv;charset="latin-1"', "", "text/csv; charset=latin-1"),
        (None, "a.csv", "text/csv"),
        ("", "a.unknown", OCTET_STREAM),
        (None, "", OCTET_STREAM),
        ("image/png; x=\r\ny", "", "image/png"),
        ("nonsense", "a.png", OCTET_STREAM),
        ("a/b/c", "", OCTET_STREAM),
        ("text/html\r\nX-Evil: 1", "", OCTET_STREAM),
        ("x" * 300 + "/y", "", OCTET_STREAM),
    ],
)
def test_a_claim_is_a_type_or_says_nothing(claimed: str | None, filename: str, kind: str) -> None:
    assert normal_type(claimed, filename) == kind


@given(some.text(max_size=300))
def test_no_claim_can_break_a_header(claimed: str) -> None:
    kind = normal_type(claimed)
    assert kind.isascii()
    assert kind.isprintable()
    assert len(kind) <= 255


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"", None),
        (b"just text", None),
        (PNG, "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
        (b"XXXX\0\0\0\0WEBPVP8 ", None),
        (b"\0\0\0\x18ftypmp42", "video/mp4"),
        (b"PK\x03\x04", "application/zip"),
        (b"%PDF-1.7", "application/pdf"),
        (b"<!DOCTYPE html>", "text/html"),
        (b"\xef\xbb\xbf  <!-- a --> <HTML>", "text/html"),
        (b"<?xml version='1.0'?>\n<svg>", "image/svg+xml"),
        (b"<!DOCTYPE svg PUBLIC>", "image/svg+xml"),
        (b"<?xml version='1.0'?><invoice/>", None),
        ("\ufeff<script>".encode("utf-16-le"), "text/html"),
    ],
)
def test_the_first_bytes_say_what_a_file_is(head: bytes, kind: str | None) -> None:
    assert detected_type(head) == kind


@pytest.mark.parametrize(
    ("claimed", "head", "recorded"),
    [
        ("image/png", PNG, "image/png"),
        ("image/jpeg", PNG, "image/png"),
        (OCTET_STREAM, PNG, "image/png"),
        ("image/png", b"text", OCTET_STREAM),
        ("image/png", b"", "image/png"),
        ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", b"PK\x03\x04", None),
        ("application/msword", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", None),
        ("image/png", b"PK\x03\x04", "application/zip"),
        ("text/plain", b"BM and so on", None),
        ("text/plain", b"MZ is how it begins", None),
        ("text/x-python", b"#!/usr/bin/env python", None),
        ("image/gif", b"#!/bin/sh", "text/x-script"),
        ("text/markdown", b"<p>A readme</p>", None),
        ("text/markdown", b"<script>x</script>", "text/html"),
        ("text/plain", b"<!doctype html>", "text/html"),
        ("image/png", b"<p>", "text/html"),
        ("application/json", b"{}", None),
        ("text/xml", b"<svg/>", None),
    ],
)
def test_a_claim_stands_unless_the_bytes_contradict_it(claimed: str, head: bytes, recorded: str | None) -> None:
    assert recorded_type(claimed, head) == (recorded or claimed)


@given(some.binary(max_size=200), some.sampled_from(["image/png", "text/plain", OCTET_STREAM]))
def test_any_bytes_get_a_type(head: bytes, claimed: str) -> None:
    assert "/" in recorded_type(claimed, head)


@pytest.mark.parametrize(("last", "found"), [(b"x", None), (b"<", None), (b"<html>", "text/html"), (b"<!-- open", None)])
def test_comments_before_a_page_are_read_once(last: bytes, found: str | None) -> None:
    # Every further comment used to double the time.
    assert detected_type(b"<!---->" * 2000 + last) == found
    assert detected_type(b"<!-- a --> \n" * 2000 + last) == found


def test_a_pattern_is_a_type_or_a_kind() -> None:
    assert matches("image/png", ["image/*"])
    assert matches("text/plain; charset=utf-8", ["text/plain"])
    assert matches("a/b", ["*/*"])
    assert not matches("image/png", ["image/jpeg", "imag/*"])
    assert not matches("imagex/png", ["image/*"])
    assert not matches("a/b", [])
