from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel, SecretBytes, SecretStr

from planar.logging.fields import MAX_ITEMS, MAX_TEXT, REDACTED, is_secret, mask_secrets, one_line, plain, plain_fields


class Colour(Enum):
    RED = "red"


class Account(BaseModel):
    owner: str = "ann"
    password: str = "hunter2"
    wrapped: SecretStr = SecretStr("s-1")


@dataclass
class Login:
    user: str = "ann"
    token: str = "t-1"
    tags: list[str] = field(default_factory=list)


@pytest.mark.parametrize(
    "name",
    [
        *("password", "db_password", "PASSWORD", "clientSecret", "api_key", "apiKey", "X-Api-Key", "authorization", "Set-Cookie"),
        *("accessToken", "refresh_token", "credentials", "private_key", "aws_access_key", "OPENAI_API_KEY", "passphrase"),
    ],
)
def test_names_of_secrets_are_known_in_every_spelling(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize("name", ["key", "event_key", "idempotency_key", "author", "tokenizer", "secretary", "keyboard", "passed"])
def test_ordinary_names_are_shown(name: str) -> None:
    assert not is_secret(name)


def test_counts_and_none_are_shown_but_a_password_of_digits_is_not() -> None:
    assert plain_fields({"max_tokens": 500, "api_key": None, "password": 1234}) == {
        "max_tokens": 500,
        "api_key": None,
        "password": REDACTED,
    }


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (datetime(2026, 1, 2, 3, 4, tzinfo=UTC), "2026-01-02 03:04:00+00:00"),
        (date(2026, 1, 2), "2026-01-02"),
        (Decimal("1.10"), "1.10"),
        (Path("a/b"), "a/b"),
        (Colour.RED, "red"),
        (b"\x00secret bytes", "<13 bytes>"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (10**30, str(10**30)),
        pytest.param(10**5000, "<int>", id="an integer of too many digits"),
        ({1, 2}, [1, 2]),
        ((1, "a", None, True), [1, "a", None, True]),
        (ValueError("no"), "ValueError: no"),
        (SecretStr("s-1"), REDACTED),
        (SecretBytes(b"s-1"), REDACTED),
        (Account(), {"owner": "ann", "password": REDACTED, "wrapped": REDACTED}),
        (Login(), {"user": "ann", "token": REDACTED, "tags": []}),
        ({UUID(int=1): {"password": "x"}}, {"00000000-0000-0000-0000-000000000001": {"password": REDACTED}}),
    ],
)
def test_every_value_becomes_plain_json(value: Any, shown: Any) -> None:
    assert plain(value) == shown
    json.dumps(plain(value), allow_nan=False)


def test_a_value_whose_text_cannot_be_made_is_named_by_its_type() -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError

    assert plain(Broken()) == "<Broken>"


def test_an_object_that_fails_while_it_is_read_does_not_break_the_record() -> None:
    class Detached(BaseModel):
        def __iter__(self) -> Any:
            raise RuntimeError("no session")

    assert plain(Detached()) == "<Detached, which cannot be shown: RuntimeError>"


def test_what_is_shown_is_bounded_in_length_members_and_depth() -> None:
    ring: list[Any] = []
    ring.append(ring)
    assert len(plain("x" * (MAX_TEXT * 10))) < MAX_TEXT + 50
    assert len(plain(list(range(MAX_ITEMS * 10)))) == MAX_ITEMS + 1
    assert len(plain({str(number): number for number in range(MAX_ITEMS * 10)})) == MAX_ITEMS + 1
    assert len(json.dumps(plain(ring))) < 100


def test_line_breaks_and_control_characters_are_written_as_escapes() -> None:
    assert one_line("a\nERROR: forged\r\x1b[31m\x00\x85\u2028z\tü") == "a\\nERROR: forged\\r\\x1b[31m\\x00\\x85\\u2028z\tü"


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("postgresql+asyncpg://ann:p@ss:w0rd@db:5432/app", f"postgresql+asyncpg://ann:{REDACTED}@db:5432/app"),
        ("GET http://host:8000/path failed", "GET http://host:8000/path failed"),
        ("Authorization: Bearer abc.def-123", f"Authorization: Bearer {REDACTED}"),
        ("a basic understanding", "a basic understanding"),
    ],
)
def test_credentials_inside_of_text_are_masked(text: str, masked: str) -> None:
    assert mask_secrets(text) == masked
