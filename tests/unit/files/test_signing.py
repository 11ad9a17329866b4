from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qs
from uuid import uuid4

import pytest

from planar.files.signing import Grant

KEY = b"k" * 32
GRANT = Grant("GET", uuid4(), 1_800_000_000)


def test_a_grant_is_proved_by_its_signature() -> None:
    query = parse_qs(GRANT.query(KEY))
    assert query.keys() == {"expires", "signature"}
    assert GRANT.is_signed(KEY, query["signature"][0])


@pytest.mark.parametrize(
    "other",
    [
        replace(GRANT, method="PUT"),
        replace(GRANT, file_id=uuid4()),
        replace(GRANT, expires=GRANT.expires + 1),
        replace(GRANT, inline=True),
    ],
)
def test_a_signature_proves_no_other_grant(other: Grant) -> None:
    assert not other.is_signed(KEY, GRANT.signature(KEY))


@pytest.mark.parametrize(
    "wrong",
    ["", "0" * 64, "ä" * 64, GRANT.signature(b"another key"), GRANT.signature(KEY).upper(), "\ud800"],
    ids=["empty", "zeros", "not hexadecimal", "by another key", "in capitals", "half a character"],
)
def test_nothing_else_is_a_signature(wrong: str) -> None:
    assert not GRANT.is_signed(KEY, wrong)
