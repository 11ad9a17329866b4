"""How is a form with files read? As it arrives, a chunk at a time: nothing is collected, neither in memory nor on disk."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, TypeAlias

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from planar.files.errors import UploadMalformed

MAX_PARTS: Final = 2000
"""Files and other fields together."""
MAX_HEADER_BYTES: Final = 16 * 1024
"""Of one part."""


@dataclass(frozen=True, slots=True)
class FormPart:
    """A field of a form. *filename* and *content_type* are what the client says; *stream* must be read before the next part is."""

    name: str
    filename: str | None
    content_type: str | None
    stream: AsyncIterator[bytes]

    @property
    def is_file(self) -> bool:
        """Whether it carries a file, and not a value."""
        return self.filename is not None or self.content_type is not None


@dataclass(frozen=True, slots=True)
class _Begin:
    """A part begins; a chunk may hold several, so each keeps its headers."""

    headers: Mapping[str, bytes]


class _End(Enum):
    """A part has ended."""

    END = auto()


_News: TypeAlias = _Begin | _End | bytes


class FormReader:
    """Reads one form.

    Args:
        content_type: the header of the request.
        source: its body.

    Raises:
        UploadMalformed: it is not a form.
    """

    def __init__(self, content_type: str, source: AsyncIterator[bytes]) -> None:
        kind, options = parse_options_header(content_type.encode("latin-1", "replace"))
        boundary = options.get(b"boundary")
        if kind != b"multipart/form-data" or not boundary or len(boundary) > 200:
            raise UploadMalformed
        self._source = source
        self._news: deque[_News] = deque()
        self._headers: dict[str, bytes] = {}
        self._header: list[bytes] = [b"", b""]
        self._header_bytes = 0
        self._ended = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._on_part_begin,
                "on_part_data": self._on_part_data,
                "on_part_end": lambda: self._news.append(_End.END),
                "on_header_begin": self._on_header_begin,
                "on_header_field": lambda data, start, end: self._on_header(0, data[start:end]),
                "on_header_value": lambda data, start, end: self._on_header(1, data[start:end]),
                "on_header_end": self._on_header_end,
                "on_headers_finished": lambda: self._news.append(_Begin(self._headers)),
                "on_end": self._on_end,
            },
        )

    async def parts(self) -> AsyncIterator[FormPart]:
        """The parts in their order. What was not read of one is skipped.

        Raises:
            UploadMalformed: the body is not a form, ends too early, or has too many parts.
        """
        for _ in range(MAX_PARTS):
            begun = await self._next()
            if begun is None:
                return
            if not isinstance(begun, _Begin):
                raise UploadMalformed("The body is not a well-formed form.")
            stream = self._stream()
            yield _part(begun.headers, stream)
            async for _rest in stream:
                pass
        raise UploadMalformed(f"The form has more than {MAX_PARTS} parts.")

    # -- reading ------------------------------------------------------------------------------------------------------

    async def _next(self) -> _News | None:
        """What comes next; None at the end."""
        while not self._news:
            if self._ended:
                return None
            chunk = await anext(self._source, None)
            if chunk is None:
                raise UploadMalformed("The form ends in the middle.")
            try:
                self._parser.write(chunk)
            except FormParserError:
                raise UploadMalformed("The body is not a well-formed form.") from None
        return self._news.popleft()

    async def _stream(self) -> AsyncIterator[bytes]:
        while isinstance(piece := await self._next(), bytes):
            yield piece

    # -- what the parser tells ----------------------------------------------------------------------------------------

    def _on_part_begin(self) -> None:
        self._headers, self._header_bytes = {}, 0

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._news.append(bytes(data[start:end]))

    def _on_header_begin(self) -> None:
        self._header = [b"", b""]

    def _on_header(self, half: int, piece: bytes) -> None:
        self._header_bytes += len(piece)
        if self._header_bytes > MAX_HEADER_BYTES:
            raise UploadMalformed("The headers of a part are too long.")
        self._header[half] += piece

    def _on_header_end(self) -> None:
        field, value = self._header
        self._headers[field.decode("latin-1").lower()] = value

    def _on_end(self) -> None:
        self._ended = True


def _part(headers: Mapping[str, bytes], stream: AsyncIterator[bytes]) -> FormPart:
    kind, options = parse_options_header(headers.get("content-disposition", b""))
    name = options.get(b"name")
    if kind != b"form-data" or name is None:
        raise UploadMalformed("A part of the form has no name.")
    filename = options.get(b"filename")
    stated = headers.get("content-type")
    return FormPart(
        _text(name),
        None if filename is None else _text(filename),
        None if stated is None else stated.decode("latin-1"),
        stream,
    )


def _text(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")
