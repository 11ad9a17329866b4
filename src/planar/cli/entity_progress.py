"""How far is a file? A bar in the terminal, beside what is printed and never in it; nothing where there is no terminal."""

from __future__ import annotations

from typing import BinaryIO

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from planar.entities.import_report import ImportReport


class ImportProgress:
    """The bar of an import: the file is read, and then its lines are written.

    Args:
        file: what is read, from its beginning.
        size: how many bytes it has.
        console: where the bar is shown; None is the standard error output.
    """

    def __init__(self, file: BinaryIO, size: int, console: Console | None = None) -> None:
        self._file = file
        self.bar = _bar(DownloadColumn(), console)
        self._task = self.bar.add_task("reading", total=size)

    def show(self, report: ImportReport) -> None:
        """Show what was done so far."""
        written = report.created + report.updated
        share, doing = (written / report.lines, "writing") if written else (1, "reading")
        self.bar.update(self._task, completed=int(self._file.tell() * share), description=doing)


class ExportProgress:
    """The bar of an export, which counts rows.

    Args:
        console: as for `ImportProgress`.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.bar = _bar(MofNCompleteColumn(), console)
        self._task = self.bar.add_task("exporting", total=None)

    def show(self, count: int) -> None:
        """Show that *count* more rows went out."""
        self.bar.advance(self._task, count)


def _bar(column: DownloadColumn | MofNCompleteColumn, console: Console | None) -> Progress:
    shown = console or Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), column, TimeElapsedColumn())
    return Progress(*columns, console=shown, transient=True, disable=not shown.is_terminal)
