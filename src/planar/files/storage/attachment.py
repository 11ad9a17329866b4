"""Under which name does a browser save a file? What a ``Content-Disposition`` header says, and no name can break out of it."""

from __future__ import annotations

import unicodedata
from urllib.parse import quote

LONGEST_NAME = 255
FALLBACK = "file"


def attachment(filename: str) -> str:
    """The header that makes a browser save what it gets as *filename*, whatever letters that has, instead of showing it.

    Control characters are left out, and of a path only its last part is taken.
    """
    name = "".join(letter for letter in filename if unicodedata.category(letter)[0] != "C")
    name = name.replace("\\", "/").rsplit("/", 1)[-1].strip()[:LONGEST_NAME] or FALLBACK
    plain = "".join(letter if " " <= letter <= "~" and letter not in '"%' else "_" for letter in name)
    header = f'attachment; filename="{plain}"'
    return header if plain == name else f"{header}; filename*=UTF-8''{quote(name, safe='')}"
