"""What stands in a page? Its fenced blocks, each with the marker before it.

A marker is a comment on the line above a block, which readers do not see::

    <!-- test: run -->                 Python: part of the page's program. The blocks of a page are one program, run in an empty folder
    <!-- test: file main.py -->        written to that file of the folder
    <!-- test: edit main.py -->        definitions, imports and assignments that take the place of those of the same name in that file
    <!-- test: config -->              YAML that `load_config` takes
    <!-- test: console -->             commands, see `tests.docs.console`
    <!-- test: compared by <test> -->  that test reads it
    <!-- test: none, <reason> -->      not run
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]

_FENCE = re.compile(r"^```(?P<language>\S*)\s*$")
_MARKER = re.compile(r"^<!-- test: (?P<text>.+?) -->$")


@dataclass(frozen=True)
class Block:
    """A fenced block: *line* is that of its first line of text, *before* the paragraph above it."""

    page: Path
    line: int
    language: str
    marker: str | None
    before: str
    text: str

    @property
    def kind(self) -> str:
        """The first word of the marker."""
        return (self.marker or "").replace(",", " ").partition(" ")[0]

    @property
    def argument(self) -> str:
        """The rest of the marker."""
        return (self.marker or "").partition(" ")[2]

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def pages() -> list[Path]:
    """The pages whose blocks are marked."""
    return [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks_of(page: Path) -> list[Block]:
    """The blocks of *page*, from top to bottom."""
    return list(_blocks(page, page.read_text(encoding="utf-8").splitlines()))


def _blocks(page: Path, lines: list[str]) -> Iterator[Block]:
    opened: tuple[int, str] | None = None
    for number, line in enumerate(lines):
        fence = _FENCE.match(line)
        if opened is None and fence is not None:
            opened = number, fence["language"]
        elif opened is not None and line.rstrip() == "```":
            first, language = opened
            marker = _MARKER.match(lines[first - 1]) if first else None
            yield Block(
                page,
                first + 2,
                language,
                marker["text"] if marker else None,
                _paragraph_above(lines, first - (1 if marker else 0)),
                "\n".join(lines[first + 1 : number]) + "\n",
            )
            opened = None
    assert opened is None, f"{page}: a block is not closed"


def _paragraph_above(lines: list[str], number: int) -> str:
    above = lines[:number]
    while above and not above[-1].strip():
        above.pop()
    found: list[str] = []
    while above and above[-1].strip():
        found.append(above.pop())
    return " ".join(reversed(found))


def edited(source: str, edit: str) -> str:
    """*source* with each statement of *edit* in the place of the one that binds the same name; new ones come before ``app = ``."""
    lines, tail = source.splitlines(), edit.splitlines()
    for statement in ast.parse(edit).body:
        wanted = _key(statement)
        text = tail[_first_line(statement) - 1 : statement.end_lineno]
        module = ast.parse("\n".join(lines)).body
        old = next((found for found in module if _key(found) == wanted), None)
        if old is not None:
            lines[_first_line(old) - 1 : old.end_lineno] = text
            continue
        imports = isinstance(statement, ast.Import | ast.ImportFrom)
        before = next(found for found in module if imports or _key(found) == ("assign", "app"))
        lines[_first_line(before) - 1 : _first_line(before) - 1] = [*text, "", ""] if not imports else text
    return "\n".join(lines) + "\n"


def _first_line(statement: ast.stmt) -> int:
    decorators = getattr(statement, "decorator_list", [])
    return min([statement.lineno, *(decorator.lineno for decorator in decorators)])


def _key(statement: ast.stmt) -> tuple[str, str]:
    match statement:
        case ast.ImportFrom(module=module):
            return "from", module or ""
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return "define", name
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return "assign", name
        case _:
            return "other", ast.dump(statement)


def program_of(blocks: list[Block]) -> str:
    """The ``run`` blocks as one program whose lines have the numbers that they have in the page."""
    lines: list[str] = []
    for block in blocks:
        if block.kind == "run":
            lines += [""] * (block.line - 1 - len(lines))
            lines += block.text.splitlines()
    return "\n".join(lines) + "\n"
