"""Which texts can be stored, on every database?"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator


def text_misfit(text: str) -> str | None:
    """Why no database can store the text; None if it can."""
    if "\0" in text:
        return "Input should not contain a NUL character"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "Input should not contain half a character (a lone surrogate)"
    return None


def _storable(text: str) -> str:
    if (reason := text_misfit(text)) is not None:
        raise ValueError(reason)
    return text


Storable = Annotated[str, AfterValidator(_storable)]
"""A text that can be stored, or compared with what is stored."""
