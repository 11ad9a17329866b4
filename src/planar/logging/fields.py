"""What of a value may a record show? Plain JSON types, bounded in size, without anything secret.

Redaction happens when a record is made, before any handler sees it, so that it also holds for handlers that are not ours.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterable, Mapping
from enum import Enum
from functools import lru_cache
from itertools import pairwise
from typing import Any, cast

REDACTED = "**********"

MAX_TEXT = 2_000
"""Characters of one text value; the rest is counted, not shown."""
MAX_ITEMS = 50
"""Members of one list or mapping."""
MAX_DEPTH = 6

_ALWAYS_SECRET = frozenset(
    {"password", "passwords", "passwd", "pwd", "passphrase", "secret", "secrets", "authorization", "cookie", "cookies"}
    | {"credential", "credentials", "apikey", "apikeys"}
)
_SECRET_UNLESS_A_NUMBER = frozenset({"token", "tokens", "jwt", "bearer"})
_SECRET_KEYS = frozenset({"api", "access", "private", "signing", "encryption"})

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_URL_PASSWORD = re.compile(r"(?P<start>\b[a-z][a-z0-9+.-]*://[^\s/?#:@]*:)[^\s/?#]+@", re.IGNORECASE)
# With a digit or a sign of base64 in it: "basic understanding" is no credential.
_BEARER = re.compile(r"(?P<start>\b(?:bearer|basic)\s+)(?=\S*[0-9=])[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)

# Line breaks of every kind, escape sequences and other control characters: a value must not be able to start a line of its own.
_CONTROLS = {
    **{code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if code != ord("\t")},
    ord("\n"): "\\n",
    ord("\r"): "\\r",
    0x2028: "\\u2028",
    0x2029: "\\u2029",
}


def one_line(text: str) -> str:
    """*text* with line breaks and control characters written as escapes."""
    return text.translate(_CONTROLS)


def mask_secrets(text: str) -> str:
    """*text* with passwords in URLs and the values of authorization headers replaced by asterisks."""
    if "://" in text:
        text = _URL_PASSWORD.sub(rf"\g<start>{REDACTED}@", text)
    return _BEARER.sub(rf"\g<start>{REDACTED}", text)


@lru_cache(maxsize=2048)
def _secrecy(name: str) -> tuple[bool, bool]:
    """Whether a field of this name is secret, and whether it is so even when it holds a number."""
    words = [word.lower() for word in _WORD.findall(name)]
    always = not _ALWAYS_SECRET.isdisjoint(words)
    named_key = any(first in _SECRET_KEYS and second == "key" for first, second in pairwise(words))
    unless_number = named_key or not _SECRET_UNLESS_A_NUMBER.isdisjoint(words)
    return always or unless_number, always


def is_secret(name: str, value: object = "") -> bool:
    """Whether a field must not be shown.

    Judged by the words of its name (``api_key``, ``accessToken``, ``X-Auth-Token``). Counts such as ``max_tokens=500`` are
    shown, and so is ``None``, which tells that nothing was set.
    """
    if value is None:
        return False
    secret, always = _secrecy(name)
    return always or (secret and not isinstance(value, (bool, int, float)))


def plain_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """*fields* as they may be written: JSON types only, bounded, secrets replaced. Never raises."""
    return {name: REDACTED if is_secret(name, value) else plain(value) for name, value in fields.items()}


def plain(value: Any, depth: int = MAX_DEPTH) -> Any:
    """*value* in JSON types: what JSON has no type for becomes text; never raises."""
    if value is None or isinstance(value, bool):
        return value
    if type(value) is int:
        return value if abs(value) < 1 << 63 else _text(value)
    if type(value) is float:
        return value if math.isfinite(value) else str(value)
    if type(value) is str:
        return _shorten(mask_secrets(value))
    try:
        return _plain_object(value, depth)
    except Exception as error:
        return f"<{type(value).__name__}, which cannot be shown: {type(error).__name__}>"


def _plain_object(value: Any, depth: int) -> Any:
    """As `plain`, for everything that has parts or a class of its own."""
    if isinstance(value, Enum):
        return plain(value.value, depth)
    if hasattr(value, "get_secret_value"):
        return REDACTED
    if isinstance(value, (bytes, bytearray)):
        return f"<{len(value)} bytes>"
    if isinstance(value, BaseException):
        return _shorten(mask_secrets(f"{type(value).__name__}: {value}"))
    if not isinstance(value, type):
        if isinstance(value, Mapping):
            return _plain_mapping(cast("Mapping[Any, Any]", value), depth)
        if isinstance(value, (list, tuple, set, frozenset)):
            return _plain_list(cast("Iterable[Any]", value), depth)
        if hasattr(value, "model_dump"):
            return _plain_mapping(dict(value), depth)
        if dataclasses.is_dataclass(value):
            return _plain_mapping({field.name: getattr(value, field.name) for field in dataclasses.fields(value)}, depth)
    return _text(value)


def _plain_mapping(value: Mapping[Any, Any], depth: int) -> Any:
    if depth <= 0:
        return f"<{len(value)} members>"
    shown: dict[str, Any] = {}
    for key, member in value.items():
        if len(shown) == MAX_ITEMS:
            shown["…"] = f"{len(value) - MAX_ITEMS} more"
            break
        name = _text(key)
        shown[name] = REDACTED if is_secret(name, member) else plain(member, depth - 1)
    return shown


def _plain_list(value: Iterable[Any], depth: int) -> Any:
    items = list(value)
    if depth <= 0:
        return f"<{len(items)} members>"
    shown = [plain(item, depth - 1) for item in items[:MAX_ITEMS]]
    return shown if len(items) <= MAX_ITEMS else [*shown, f"… {len(items) - MAX_ITEMS} more"]


def _text(value: object) -> str:
    """The text of *value*, where even an integer of many digits or a broken ``__str__`` must not raise."""
    try:
        return _shorten(mask_secrets(str(value)))
    except Exception:
        return f"<{type(value).__name__}>"


def _shorten(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}… (+{len(text) - MAX_TEXT} characters)"
