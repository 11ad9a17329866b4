"""Which shapes have the answers of imports?"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from planar.entities.import_lines import Mode, Problem
from planar.entities.import_report import ImportReport
from planar.security.problem import Misfit


class RefusedImport(BaseModel):
    """Lines of a file that do not fit: of each the number, the field, and why. Nothing was written."""

    model_config = ConfigDict(defer_build=True)

    detail: list[Misfit]
    code: Literal["import_refused"]


class ImportProblem(BaseModel):
    """What is wrong with a line of a file."""

    model_config = ConfigDict(defer_build=True)

    line: int = Field(description="The number of the line, from 1; of a record of several lines, the first.")
    field: str | None = None
    message: str
    type: str

    @classmethod
    def of(cls, problem: Problem) -> ImportProblem:
        """The problem as it is answered."""
        return cls(line=problem.line, field=problem.field, message=problem.message, type=problem.type)


class ImportResult(BaseModel):
    """What became of a file."""

    model_config = ConfigDict(defer_build=True)

    entity_name: str
    mode: Mode
    dry_run: bool
    committed: bool = Field(description="Whether the rows are there now: never after a dry run.")
    lines: int = Field(description="How many records the file has, without its header.")
    created: int
    updated: int
    error_count: int = Field(description="How many things do not fit.")
    errors: list[ImportProblem] = Field(description="The first hundred of them.")
    ignored_fields: list[str] = Field(description="Fields of the file that only the program sets.")

    @classmethod
    def of(cls, mode: Mode, report: ImportReport) -> ImportResult:
        """The report as it is answered."""
        return cls(
            entity_name=report.entity,
            mode=mode,
            dry_run=report.dry_run,
            committed=report.committed,
            lines=report.lines,
            created=report.created,
            updated=report.updated,
            error_count=report.error_count,
            errors=[ImportProblem.of(problem) for problem in report.errors],
            ignored_fields=report.ignored,
        )
