"""What is in a file? What its first bytes say counts more than what its sender claims.

A small table of our own: it need not know every format, only those that are common, and those that a browser would execute.
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Iterable
from typing import Final

OCTET_STREAM: Final = "application/octet-stream"
"""Bytes of which nothing is known."""
HEAD_BYTES: Final = 1024
"""How much of a file is looked at."""

SAFE_INLINE: Final = frozenset(
    {"image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "text/plain", "audio/mpeg", "audio/ogg", "video/mp4", "video/webm"}
)
"""What a browser may show in place: it executes none of it."""

_WELL_FORMED: Final = re.compile(r"[a-z0-9!#$&^_.+-]{1,100}/[a-z0-9!#$&^_.+-]{1,100}")
_CHARSET: Final = re.compile(r"charset=\"?([a-z0-9._-]{1,40})\"?")

_MAGIC: Final[tuple[tuple[int, bytes, str], ...]] = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (0, b"BM", "image/bmp"),
    (0, b"II*\x00", "image/tiff"),
    (0, b"MM\x00*", "image/tiff"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"PK\x03\x04", "application/zip"),
    (0, b"PK\x05\x06", "application/zip"),
    (0, b"\x1f\x8b", "application/gzip"),
    (0, b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (0, b"Rar!\x1a\x07", "application/vnd.rar"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (0, b"\x7fELF", "application/x-executable"),
    (0, b"MZ", "application/vnd.microsoft.portable-executable"),
    (0, b"#!", "text/x-script"),
    (0, b"OggS", "audio/ogg"),
    (0, b"fLaC", "audio/flac"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\x1a\x45\xdf\xa3", "video/webm"),
    (8, b"WEBP", "image/webp"),
    (8, b"WAVE", "audio/wav"),
    (4, b"ftypavif", "image/avif"),
    (4, b"ftyp", "video/mp4"),
    (0, b"{\\rtf", "application/rtf"),
)
# "BM", "MZ" and "#!" are also how a text may begin: a claim of text outweighs them.
_WEAK: Final = frozenset({"image/bmp", "application/vnd.microsoft.portable-executable", "text/x-script"})

# What a browser takes for a page, at the beginning of a text (blanks and comments before it do not help).
_PAGE: Final = rb"!doctype\s+html|html|head|body|script|iframe|!doctype\s+svg|svg"
# These also begin texts that are no pages, such as one in Markdown.
_WITHIN: Final = rb"style|title|meta|img|a\s|table|div|h1|p>|br"
# What was skipped stays skipped (`*+`): else a row of comments could be read in more ways than there is time to try.
_MARKUP: Final = re.compile(rb"(?:\s|<!--.*?-->|<\?xml[^>]*\?>)*+<(?:(%b)|(%b))" % (_PAGE, _WITHIN), re.IGNORECASE | re.DOTALL)

# Formats that lie in a container, by what a claim of them begins or ends with.
_INSIDE: Final[dict[str, tuple[str, ...]]] = {
    "application/zip": (
        "application/vnd.openxmlformats-", "application/vnd.oasis.opendocument.", "application/vnd.ms-", "application/epub+zip",
        "application/java-archive", "application/vnd.android.package-archive", "application/x-zip-compressed",
    ),
    "application/x-ole-storage": ("application/msword", "application/vnd.ms-", "application/vnd.visio", "application/x-msi"),
    "application/gzip": ("application/x-gzip", "application/x-tar", "application/x-compressed", "application/x-tgz"),
    "video/mp4": ("video/quicktime", "audio/mp4", "audio/x-m4a", "video/x-m4v", "image/heic", "image/heif", "video/3gpp"),
    "video/webm": ("video/x-matroska", "audio/webm", "audio/x-matroska"),
    "audio/ogg": ("video/ogg", "application/ogg", "audio/opus"),
    "audio/wav": ("audio/x-wav", "audio/wave", "audio/vnd.wave"),
    "image/tiff": ("image/x-", "image/tiff"),
    "image/jpeg": ("image/jpg", "image/pjpeg"),
    "text/html": ("application/xhtml+xml",),
    "image/svg+xml": ("application/xml", "text/xml"),
    "application/vnd.rar": ("application/x-rar",),
    "application/pdf": ("application/x-pdf",),
    "application/x-executable": ("application/x-sharedlib", "application/x-elf"),
    "application/rtf": ("text/rtf",),
}  # fmt: skip

_HAVE_MAGIC: Final = frozenset(kind for _, _, kind in _MAGIC) - _WEAK - {"audio/mpeg", "video/mp4"}
"""Formats that always begin with their mark: a file of that claim without it is something else."""


def normal_type(claimed: str | None, filename: str = "") -> str:
    """*claimed* in lower case with at most a charset; guessed from *filename* if nothing was claimed, else `OCTET_STREAM`."""
    text = (claimed or "").strip().lower()
    kind, _, parameters = text.partition(";")
    kind = kind.strip()
    if not kind:
        kind = mimetypes.guess_type(filename, strict=False)[0] or OCTET_STREAM
    if not _WELL_FORMED.fullmatch(kind):
        return OCTET_STREAM
    charset = _CHARSET.search(parameters)
    return f"{kind}; charset={charset[1]}" if charset and kind.startswith("text/") else kind


def detected_type(head: bytes) -> str | None:
    """What the first bytes of a file say that it is; None if they say nothing."""
    for offset, mark, kind in _MAGIC:
        if head[offset : offset + len(mark)] == mark and (offset != 8 or head[:4] == b"RIFF"):
            return kind
    markup = _MARKUP.match(_as_text(head))
    if markup is None:
        return None
    return "image/svg+xml" if (markup[1] or b"").lower().endswith(b"svg") else "text/html"


def recorded_type(claimed: str, head: bytes) -> str:
    """The type to record of a file.

    Args:
        claimed: what its sender says, as `normal_type` gives it.
        head: its first bytes.

    Returns:
        The claim, unless the bytes contradict it: then what they are, or `OCTET_STREAM` if they are nothing that is known.
    """
    kind = bare(claimed)
    found = detected_type(head)
    if found is None:
        return OCTET_STREAM if kind in _HAVE_MAGIC and head else claimed
    if found == kind or kind.startswith(_INSIDE.get(found, ("\0",))):
        return claimed
    if found in _WEAK and (kind.startswith("text/") or kind == OCTET_STREAM):
        return claimed
    if found == "text/html" and kind.startswith("text/") and _is_fragment(head):
        return claimed
    return found


def bare(content_type: str) -> str:
    """The type without its parameters."""
    return content_type.partition(";")[0].strip().lower()


def matches(content_type: str, patterns: Iterable[str]) -> bool:
    """Whether the type is one of *patterns*, such as ``image/png`` or ``image/*``."""
    kind = bare(content_type)
    return any(pattern in ("*/*", kind) or (pattern.endswith("/*") and kind.startswith(pattern[:-1])) for pattern in patterns)


def _is_fragment(head: bytes) -> bool:
    markup = _MARKUP.match(_as_text(head))
    return markup is not None and markup[1] is None


def _as_text(head: bytes) -> bytes:
    """*head* in ASCII as far as markup goes, whatever its Unicode form."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return head.decode("utf-16", "ignore").encode("ascii", "ignore")
    return head.removeprefix(b"\xef\xbb\xbf")
