"""The tables of a page, as lists of cells."""

from __future__ import annotations

import re
from pathlib import Path

_SEPARATOR = re.compile(r"(?<!\\)\|")


def rows_of(page: Path, *headings: str) -> list[list[str]]:
    """The rows of every table of *page* whose heading begins with *headings*."""
    found: list[list[str]] = []
    wanted = False
    for line in page.read_text(encoding="utf-8").splitlines():
        if not line.startswith("|"):
            wanted = False
            continue
        cells = [cell.strip().replace("\\|", "|") for cell in _SEPARATOR.split(line)[1:-1]]
        if tuple(cells[: len(headings)]) == headings:
            wanted = True
        elif wanted and not set("".join(cells)) <= {"-"}:
            found.append(cells)
    assert found, f"{page} has no table with {headings}"
    return found


def code_in(cell: str) -> str:
    """What stands between the first pair of backticks."""
    return cell.split("`")[1]
