"""What is to become of a file, and what became of it?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from planar.entities.import_lines import MOST_SHOWN, FileStyle, Mode, Problem


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What is to become of a file.

    Args:
        mode: whether its lines are new rows, changes, or whichever it takes.
        style: how it is written.
        match: the field by which rows are found that are there already; None is the key.
        dry_run: whether everything is done and then undone.
    """

    mode: Mode
    style: FileStyle
    match: str | None = None
    dry_run: bool = False


@dataclass(slots=True)
class ImportReport:
    """What became of a file.

    Args:
        entity: the name of the entity.
        dry_run: whether it was a trial.
        committed: whether its rows are there now.
        lines: how many records it has, without its header.
        created, updated: how many rows were, or would have been, made and found.
        error_count: how many things do not fit.
        errors: the first hundred of them, in the order of the file.
        ignored: fields that it gives and that only the program sets.
    """

    entity: str
    dry_run: bool
    committed: bool = False
    lines: int = 0
    created: int = 0
    updated: int = 0
    error_count: int = 0
    errors: list[Problem] = field(default_factory=list[Problem])
    ignored: list[str] = field(default_factory=list[str])

    def tell(self, problems: Sequence[Problem]) -> None:
        """Count *problems*, and keep those of the first lines."""
        if problems:
            self.error_count += len(problems)
            self.errors = sorted([*self.errors, *problems], key=lambda problem: problem.line)[:MOST_SHOWN]


OnProgress: TypeAlias = Callable[[ImportReport], object]
