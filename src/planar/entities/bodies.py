"""What was sent? JSON, read with a limit and without losing a digit."""

from __future__ import annotations

import json
from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from planar.entities.errors import TooManyRows, UnreadableBody
from planar.entities.stored_rows import Change
from planar.entities.validation import Entry, entry
from planar.entities.values import WrittenNumber
from planar.modeling.errors import Misfits

_JSON: Final = "json"


@dataclass(frozen=True, slots=True)
class Sent:
    """A body on its way.

    Args:
        content_type: what the request says that it is.
        parts: its bytes as they arrive.
    """

    content_type: str
    parts: AsyncIterable[bytes]


async def read_object(sent: Sent, max_bytes: int) -> dict[str, Any]:
    """The object in the body.

    Raises:
        UnreadableBody: it is not JSON.
        TooManyRows: it is too large.
        Misfits: it is something else than an object, or does not say that it is JSON.
    """
    body = await _read(sent, max_bytes)
    if not isinstance(body, dict):
        raise Misfits([entry("dict_type", ("body",), "Input should be an object")])
    return cast("dict[str, Any]", body)


async def read_objects(sent: Sent, max_bytes: int, max_rows: int) -> list[dict[str, Any]]:
    """The objects in the body's list.

    Raises:
        UnreadableBody: it is not JSON.
        TooManyRows: they are too many, or too large.
        Misfits: it is something else than a list of objects, or does not say that it is JSON.
    """
    items = await _read_list(sent, max_bytes, max_rows)
    entries: list[Entry] = [
        entry("dict_type", ("body", index), "Input should be an object") for index, item in enumerate(items) if not isinstance(item, dict)
    ]
    if entries:
        raise Misfits(entries)
    return items


async def read_keys(sent: Sent, max_bytes: int, max_rows: int) -> list[dict[str, Any]]:
    """The keys in the body's list: each alone, or as an object with ``id`` and perhaps ``etag``.

    Raises:
        UnreadableBody, TooManyRows, Misfits: as for `read_objects`.
    """
    items = await _read_list(sent, max_bytes, max_rows)
    return [item if isinstance(item, dict) else {"id": item} for item in items]


def change_of(item: Mapping[str, Any], key: Any, *, with_data: bool) -> Change:
    """The change that a member of a bulk request asks for.

    Args:
        item: with ``id``, perhaps ``etag``, and ``data``.
        key: what its ``id`` stands for.
        with_data: whether it changes fields.

    Raises:
        Misfits: something else is in it, or missing.
    """
    known = {"id", "etag", "data"} if with_data else {"id", "etag"}
    entries = [entry("extra_forbidden", (name,), "Extra inputs are not permitted") for name in item if name not in known]
    data, etag = item.get("data"), item.get("etag")
    if with_data and not isinstance(data, dict):
        entries.append(entry("missing" if data is None else "dict_type", ("data",), "An object with the fields to set is required"))
    if etag is not None and not isinstance(etag, str):
        entries.append(entry("string_type", ("etag",), "Input should be a valid string"))
    if entries:
        raise Misfits(entries)
    return Change(key, cast("dict[str, Any]", data) if with_data else {}, if_match=etag)


async def _read_list(sent: Sent, max_bytes: int, max_rows: int) -> list[Any]:
    body = await _read(sent, max_bytes)
    if not isinstance(body, list):
        raise Misfits([entry("list_type", ("body",), "Input should be a list")])
    items = cast("list[Any]", body)
    if len(items) > max_rows:
        raise TooManyRows(f"The request has {len(items)} rows, and this app allows {max_rows} at once. Send them in parts.")
    return items


async def _read(sent: Sent, max_bytes: int) -> Any:
    kind, _, subtype = sent.content_type.partition(";")[0].strip().lower().partition("/")
    if kind != "application" or not (subtype == _JSON or subtype.endswith(f"+{_JSON}")):
        # A page of another origin cannot send that unasked.
        raise Misfits([entry("not_json", ("header", "content-type"), "Send JSON, with the header Content-Type: application/json")])
    parts: list[bytes] = []
    size = 0
    async for part in sent.parts:
        size += len(part)
        if size > max_bytes:
            raise TooManyRows(f"The request has more than {max_bytes} bytes. Send its rows in parts.")
        parts.append(part)
    try:
        return json.loads(b"".join(parts), parse_float=WrittenNumber, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise UnreadableBody(f"The body cannot be read as JSON: {_why(error)}") from None


def _no_number(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _why(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} (line {error.lineno}, column {error.colno})."
    if isinstance(error, RecursionError):
        return "it is nested too deeply."
    return (
        "it is not text in UTF-8."
        if isinstance(error, UnicodeDecodeError)
        else "it holds what is not JSON, or a number of too many digits."
    )
