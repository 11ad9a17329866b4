"""What may a file be called? A name that is safe to show, to send in a header and to save; it is never a path."""

from __future__ import annotations

import re
import unicodedata
from typing import Final
from urllib.parse import quote

from uuid_utils.compat import uuid7

MAX_LENGTH: Final = 255
"""Characters, and bytes in UTF-8: what file systems allow."""

# Controls, line and paragraph ends, what reverses or hides text, halves of characters, what is not assigned.
_INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
# Joiners are invisible too, but some languages cannot be written without them.
_JOINERS: Final = frozenset("\u200c\u200d")
_UNSAFE: Final = re.compile(r'[<>:"|?*]')
_DEVICE: Final = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])", re.IGNORECASE)


def clean_filename(given: str | None) -> str:
    """*given* as a name: its last part if it is a path, without what cannot be seen, shortened; a random one if nothing is left."""
    name = unicodedata.normalize("NFC", given or "").replace("\\", "/").rpartition("/")[2]
    name = "".join(char for char in name if char in _JOINERS or unicodedata.category(char) not in _INVISIBLE)
    name = _UNSAFE.sub("_", name)
    # A leading dot hides a file, and Windows drops dots and blanks at the end.
    name = name.strip().lstrip(".").rstrip(". ").strip()
    name = _shortened(name)
    if not name.strip("_."):
        return str(uuid7())
    if _DEVICE.fullmatch(name.partition(".")[0].rstrip()):
        return f"_{name}"[:MAX_LENGTH]
    return name


def content_disposition(filename: str, *, inline: bool = False) -> str:
    """The header that says what a file is saved as: a plain form for old clients, and the whole name in RFC 5987's form."""
    plain = "".join(char if char.isascii() and char.isprintable() and char not in '"\\%;' else "_" for char in filename)
    whole = quote(filename.encode("utf-8", "replace"), safe="!#$&+-.^_`|~")
    return f"{'inline' if inline else 'attachment'}; filename=\"{plain}\"; filename*=UTF-8''{whole}"


def _shortened(name: str) -> str:
    if len(name.encode()) <= MAX_LENGTH:
        return name
    stem, dot, ending = name.rpartition(".")
    tail = f"{dot}{ending}" if stem and len(ending.encode()) <= 20 else ""
    head = (stem if tail else name).encode()[: MAX_LENGTH - len(tail.encode())].decode("utf-8", "ignore")
    return f"{head.rstrip('. ')}{tail}"
