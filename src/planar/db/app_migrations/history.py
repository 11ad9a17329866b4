"""Which revisions are there, and in which order? Read from the files without importing them: a start must not load Alembic.

A revision is a Python file with the constants ``revision`` and ``down_revision``. The folder holds no other Python files.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, cast

from planar.db.errors import HistoryBroken, NoSuchRevision, SeveralHeads

HEAD, BASE = "head", "base"
FOREIGN_MARK = "env.py"
"""A folder with this file is used by Alembic itself, and not ours."""


@dataclass(frozen=True, slots=True)
class Revision:
    """One revision file."""

    id: str
    parents: tuple[str, ...]
    """The revisions that it follows: none for the first, several where branches are joined."""
    message: str
    path: Path


@dataclass(frozen=True)
class History:
    """All revisions of a folder, by id, each after its parents."""

    folder: Path
    revisions: Mapping[str, Revision] = field(default_factory=dict[str, Revision])

    @cached_property
    def heads(self) -> tuple[str, ...]:
        """The revisions that no other follows."""
        followed = {parent for revision in self.revisions.values() for parent in revision.parents}
        return tuple(found for found in self.revisions if found not in followed)

    @cached_property
    def sources(self) -> list[str]:
        """The texts of the files, in order."""
        return [_text_of(revision.path) for revision in self.revisions.values()]

    def head(self) -> str | None:
        """The newest revision; None if there is none.

        Raises:
            SeveralHeads: there are two, as after a merge of two branches of code that both brought a revision.
        """
        if len(self.heads) > 1:
            raise SeveralHeads(
                f"{self.folder} has {len(self.heads)} newest revisions, {' and '.join(self.heads)}: two branches each added one. "
                'Join them with: planar db revision --merge -m "join"'
            )
        return self.heads[0] if self.heads else None

    def find(self, name: str) -> str | None:
        """The id of the revision that people call *name*: an id, its beginning, ``head``, ``base`` (None).

        Raises:
            NoSuchRevision: none is called so, or more than one.
            SeveralHeads: ``head`` is not one revision.
        """
        if name == BASE:
            return None
        if name == HEAD:
            return self.head()
        if name in self.revisions:
            return name
        found = [each for each in self.revisions if each.startswith(name)] if name else []
        if len(found) == 1:
            return found[0]
        told = f"{len(found)} revisions begin with {name!r}" if found else f"There is no revision {name!r}"
        raise NoSuchRevision(f"{told} in {self.folder}. Give an id of: planar db history")

    def unknown(self, stored: Iterable[str]) -> tuple[str, ...]:
        """Those of *stored* that no file has."""
        return tuple(sorted(each for each in stored if each not in self.revisions))

    def applied(self, stored: Iterable[str]) -> frozenset[str]:
        """*stored* and everything before."""
        found: set[str] = set()
        left = list(stored)
        while left:
            revision = left.pop()
            if revision not in found and revision in self.revisions:
                found.add(revision)
                left.extend(self.revisions[revision].parents)
        return frozenset(found)

    def to_apply(self, stored: Iterable[str], target: str | None) -> list[Revision]:
        """What leads from *stored* up to *target*, in order."""
        wanted = self.applied([target] if target is not None else []) - self.applied(stored)
        return [revision for revision in self.revisions.values() if revision.id in wanted]

    def to_undo(self, stored: Iterable[str], target: str | None) -> list[Revision]:
        """What leads from *stored* down to *target*, None being before the first, in order."""
        applied = self.applied(stored)
        above = applied if target is None else {each for each in applied if each != target and target in self.applied([each])}
        return [revision for revision in reversed(list(self.revisions.values())) if revision.id in above]


def is_used(folder: Path | None) -> bool:
    """Whether *folder* is there for revisions of ours."""
    return folder is not None and folder.is_dir() and not is_foreign(folder)


def is_foreign(folder: Path) -> bool:
    """Whether *folder* is Alembic's own."""
    return (folder / FOREIGN_MARK).exists()


def read_history(folder: Path) -> History:
    """The revisions in *folder*.

    Raises:
        HistoryBroken: a file cannot be read, two have one id, or what one of them follows is not there.
    """
    found: dict[str, Revision] = {}
    for path in sorted(folder.glob("*.py")):
        if path.name.startswith("__init__"):
            continue
        revision = parse_revision(_text_of(path), path)
        if revision.id in found:
            raise HistoryBroken(f"{found[revision.id].path} and {path} have the same revision id {revision.id}. Remove the copy.")
        found[revision.id] = revision
    return History(folder, _in_order(found))


def parse_revision(source: str, path: Path) -> Revision:
    """The revision that *source*, the text of *path*, declares.

    Raises:
        HistoryBroken: it is no Python, declares none, or its constants are not written as constants.
    """
    head, _, body = source.partition("\ndef ")
    try:
        module, values = _constants_of(head, path)
    except HistoryBroken:
        if not body:
            raise
        # Cut within a text, or between a function and what decorates it.
        module, values = _constants_of(source, path)
    if body and not {"revision", "down_revision"} <= values.keys():
        module, values = _constants_of(source, path)
    if "revision" not in values:
        raise HistoryBroken(f"{path} declares no `revision`. The folder is for revisions only: keep other code elsewhere.")
    identity, parents = values["revision"], values.get("down_revision")
    parents = () if parents is None else (parents,) if isinstance(parents, str) else parents
    parents_are_texts = isinstance(parents, tuple | list) and all(isinstance(each, str) for each in cast("Sequence[Any]", parents))
    if not isinstance(identity, str) or not identity or not parents_are_texts:
        raise HistoryBroken(f"{path}: revision is a text, down_revision a text, a tuple of texts, or None.")
    if values.get("branch_labels") or values.get("depends_on"):
        raise HistoryBroken(f"{path}: branch_labels and depends_on are not supported; what comes before is down_revision.")
    message = (ast.get_docstring(module) or "").partition("\n")[0]
    return Revision(identity, tuple(cast("Sequence[str]", parents)), message, path)


def _constants_of(source: str, path: Path) -> tuple[ast.Module, dict[str, Any]]:
    try:
        module = ast.parse(source)
    except SyntaxError as error:
        raise HistoryBroken(f"{path}, line {error.lineno}: this revision is not Python: {error.msg}.") from None
    return module, {name: value for statement in module.body for name, value in _assigned(statement, path)}


_CONSTANTS = ("revision", "down_revision", "branch_labels", "depends_on")


def _assigned(statement: ast.stmt, path: Path) -> Iterable[tuple[str, Any]]:
    targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target] if isinstance(statement, ast.AnnAssign) else []
    for target in targets:
        if isinstance(target, ast.Name) and target.id in _CONSTANTS:
            value = cast("ast.Assign | ast.AnnAssign", statement).value
            try:
                yield target.id, ast.literal_eval(value) if value is not None else None
            except ValueError:
                raise HistoryBroken(f"{path}, line {statement.lineno}: {target.id} must be written as a constant.") from None


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise HistoryBroken(f"{path} cannot be read: {type(error).__name__}.") from None


def _in_order(found: Mapping[str, Revision]) -> dict[str, Revision]:
    """Each after its parents; those that may stand in any order by their ids, which are times."""
    for revision in found.values():
        for parent in revision.parents:
            if parent not in found:
                raise HistoryBroken(
                    f"{revision.path} follows revision {parent}, which is not there. Bring its file back; "
                    "a revision that was applied anywhere must neither be removed nor renamed."
                )
    ordered: dict[str, Revision] = {}
    left = dict(sorted(found.items()))
    while left:
        ready = next((each for each in left.values() if all(parent in ordered for parent in each.parents)), None)
        if ready is None:
            raise HistoryBroken(f"The revisions {', '.join(left)} follow each other in a circle. Correct their down_revision.")
        ordered[ready.id] = left.pop(ready.id)
    return ordered
