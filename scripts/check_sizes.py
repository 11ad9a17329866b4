"""Which files and functions have grown too long to be read in one go?

Files: 100 to 250 lines is the house's measure, over 400 is a question, over 600 fails. Functions: nine in ten within 30 lines,
over 60 is a question, over 80 fails. Counted as they stand in the file, docstrings and comments included.

    python scripts/check_sizes.py
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ("src/planar", "scripts", "examples", "benchmarks")
FILE_MARKS = (250, 400)
FILE_LIMIT = 600
FUNCTION_MARKS = (30, 60, 80)
FUNCTION_LIMIT = 80
SHORT_FUNCTION = 30
SHORT_SHARE = 0.9


@dataclass(frozen=True, order=True)
class Size:
    lines: int
    what: str


def files(root: Path) -> Iterator[Path]:
    for folder in FOLDERS:
        yield from sorted((root / folder).rglob("*.py"))


def measure(path: Path, name: str) -> tuple[Size, list[Size]]:
    """The length of a file, and of each function in it."""
    text = path.read_text()
    functions = [
        Size((node.end_lineno or node.lineno) - node.lineno + 1, f"{name}:{node.lineno} {node.name}")
        for node in ast.walk(ast.parse(text, name))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return Size(len(text.splitlines()), name), functions


def report(kind: str, sizes: Iterable[Size], marks: tuple[int, ...]) -> None:
    """Print what is over each mark, the longest first, each under the highest mark that it passes."""
    above = list(sizes)
    for mark in reversed(marks):
        found = sorted((size for size in above if size.lines > mark), reverse=True)
        above = [size for size in above if size.lines <= mark]
        if found:
            print(f"{kind} over {mark} lines:")
            for size in found:
                print(f"  {size.lines:>4}  {size.what}")


def main() -> int:
    measured = [measure(path, path.relative_to(ROOT).as_posix()) for path in files(ROOT)]
    all_files = [file for file, _ in measured]
    functions = [function for _, found in measured for function in found]
    report("Files", all_files, FILE_MARKS)
    report("Functions", functions, FUNCTION_MARKS)
    short = sum(function.lines <= SHORT_FUNCTION for function in functions) / max(len(functions), 1)
    print(f"{len(all_files)} files, {len(functions)} functions, {short:.0%} of them within {SHORT_FUNCTION} lines.")
    too_long = [size for size in all_files if size.lines > FILE_LIMIT]
    too_long += [size for size in functions if size.lines > FUNCTION_LIMIT]
    for size in sorted(too_long, reverse=True):
        limit = FILE_LIMIT if size in all_files else FUNCTION_LIMIT
        print(f"Too long: {size.what} has {size.lines} lines, {limit} are allowed. Cut it where its parts have names.")
    if short < SHORT_SHARE:
        print(f"Too many long functions: {SHORT_SHARE:.0%} should be within {SHORT_FUNCTION} lines.")
    return 1 if too_long or short < SHORT_SHARE else 0


if __name__ == "__main__":
    sys.exit(main())
