"""Has the source changed? Notifications make the answer quick; a look every two seconds makes it certain.

What counts is the difference between two looks at the source files, never the notification itself: so none can be lost, new
folders are found, and it also works where the file system tells nothing (mounted volumes).
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from importlib.util import cache_from_source
from pathlib import Path

# Its type names an event of trio, which need not be installed.
from watchfiles import awatch  # pyright: ignore[reportUnknownVariableType]

MAX_FOLDERS = 2000
"""How many folders are looked through, nearest first. More would be a home directory, not a project."""

_SUFFIXES = (".py", ".yaml", ".yml")
_NOT_SOURCE = frozenset({"__pycache__", "node_modules", "site-packages"})
_LOOK_MILLISECONDS = 2000
_GATHER_MILLISECONDS = 300


@dataclass(frozen=True)
class Look:
    """The source files at one moment, each with what changes when it is edited; and the folders that were looked through."""

    files: dict[Path, tuple[int, int]]
    folders: frozenset[Path]

    def changed_since(self, earlier: Look) -> list[Path]:
        """What was added, edited or removed since *earlier*, in the order of names."""
        return sorted(path for path in self.files.keys() | earlier.files.keys() if self.files.get(path) != earlier.files.get(path))


class Sources:
    """The source of an app: below its file's folder, in the packages of the current folder, and its settings files."""

    def __init__(self, entry: Path, folder: Path, config: Path | None) -> None:
        self._deep = [entry.parent]
        self._flat = [folder, *([config.parent] if config is not None else [])]
        self._packages_of = folder if entry.is_relative_to(folder) else None

    def look(self) -> Look:
        """What there is now."""
        folders = self._folders()
        return Look({path: stamp for folder in folders for path, stamp in _files(folder)}, folders)

    async def changes(self, known: Look) -> AsyncIterator[list[Path]]:
        """The files that changed since *known*, and since the last answer, for ever."""
        while True:
            async for _ in self._hints(known.folders):
                now = self.look()
                changed, moved = now.changed_since(known), now.folders != known.folders
                known = now
                if changed:
                    yield changed
                if moved:
                    break

    async def _hints(self, folders: frozenset[Path]) -> AsyncIterator[None]:
        """Something may have changed: told at once if the system tells it, else every two seconds."""
        try:
            async for _ in awatch(
                *folders,
                recursive=False,
                watch_filter=lambda _, path: is_source(path) or os.path.isdir(path),
                debounce=_GATHER_MILLISECONDS,
                rust_timeout=_LOOK_MILLISECONDS,
                yield_on_timeout=True,
                ignore_permission_denied=True,
            ):
                yield
        except FileNotFoundError:
            # A folder went away between the look and the watch: look again.
            yield

    def _folders(self) -> frozenset[Path]:
        packages = _packages(self._packages_of) if self._packages_of is not None else []
        ahead = deque([*self._deep, *packages])
        found: set[Path] = set()
        while ahead and len(found) < MAX_FOLDERS:
            folder = ahead.popleft()
            if folder not in found and folder.is_dir():
                found.add(folder)
                ahead.extend(_below(folder))
        return frozenset(found.union(folder for folder in self._flat if folder.is_dir()))


def is_source(path: str | Path) -> bool:
    """Whether an edit of *path* changes what the app does: Python, settings, variables."""
    name = os.path.basename(path)
    return name.endswith(_SUFFIXES) or name == ".env" or name.startswith(".env.")


def forget_compiled(path: Path) -> None:
    """Remove what Python keeps of *path*: it takes two edits within a second for one, if they have the same length."""
    if path.suffix == ".py":
        Path(cache_from_source(str(path))).unlink(missing_ok=True)


def _files(folder: Path) -> Iterator[tuple[Path, tuple[int, int]]]:
    for found in _scan(folder):
        if is_source(found.name):
            try:
                if found.is_file():
                    stat = found.stat()
                    yield Path(found.path), (stat.st_mtime_ns, stat.st_size)
            except OSError:
                # Removed since it was listed: it is not there.
                continue


def _below(folder: Path) -> Iterator[Path]:
    """The folders in *folder* that may hold source: no hidden ones, no virtual environments."""
    for found in _scan(folder):
        if found.name.startswith(".") or found.name in _NOT_SOURCE:
            continue
        if found.is_dir(follow_symlinks=False) and not os.path.exists(os.path.join(found.path, "pyvenv.cfg")):
            yield Path(found.path)


def _packages(folder: Path) -> list[Path]:
    """The folders in *folder* that hold Python files, and so can be imported from there."""
    return [below for below in _below(folder) if any(found.name.endswith(".py") for found in _scan(below))]


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError:
        # Removed or closed to us: there is nothing to watch.
        return []
