from __future__ import annotations

from pathlib import Path

import pytest

from planar.db.app_migrations.history import History, is_used, parse_revision, read_history
from planar.db.errors import HistoryBroken, NoSuchRevision, SeveralHeads

PATH = Path("x.py")


def history(folder: Path, **parents: str | tuple[str, ...] | None) -> History:
    """A folder with a revision for each name, and what it follows."""
    for name, parent in parents.items():
        (folder / f"{name}.py").write_text(f'"""about {name}"""\nrevision = {name!r}\ndown_revision = {parent!r}\n\ndef upgrade(): ...\n')
    return read_history(folder)


@pytest.fixture
def forked(tmp_path: Path) -> History:
    """a, then b and c beside each other, joined by d."""
    return history(tmp_path, d=("b", "c"), c="a", b="a", a=None)


def ids(revisions: object) -> list[str]:
    return [each.id for each in revisions]  # type: ignore[attr-defined]


def test_every_revision_stands_after_what_it_follows(forked: History) -> None:
    assert list(forked.revisions) == ["a", "b", "c", "d"]
    assert forked.head() == "d"
    assert forked.revisions["d"].message == "about d"


def test_an_empty_folder_is_an_empty_history(tmp_path: Path) -> None:
    assert read_history(tmp_path).head() is None
    assert read_history(tmp_path).to_apply([], None) == []


@pytest.mark.parametrize(
    ("stored", "target", "wanted"),
    [
        ([], "d", "abcd"),
        (["a"], "d", "bcd"),
        (["b"], "d", "cd"),
        (["b", "c"], "d", "d"),
        (["d"], "d", ""),
        (["d"], "a", ""),
        ([], "b", "ab"),
        (["c"], "b", "b"),
        (["b"], None, ""),
    ],
)
def test_what_is_to_be_applied(forked: History, stored: list[str], target: str | None, wanted: str) -> None:
    assert "".join(ids(forked.to_apply(stored, target))) == wanted


@pytest.mark.parametrize(
    ("stored", "target", "wanted"),
    [
        (["d"], "a", "dcb"),
        (["d"], None, "dcba"),
        (["d"], "b", "d"),
        (["b"], "a", "b"),
        (["b", "c"], "b", ""),
        ([], None, ""),
        (["a"], "d", ""),
    ],
)
def test_what_is_to_be_undone(forked: History, stored: list[str], target: str | None, wanted: str) -> None:
    assert "".join(ids(forked.to_undo(stored, target))) == wanted


def test_two_newest_revisions_are_an_error_that_names_the_remedy(tmp_path: Path) -> None:
    split = history(tmp_path, a=None, b="a", c="a")
    with pytest.raises(SeveralHeads, match=r"b and c.*planar db revision --merge"):
        split.head()
    assert split.find("b") == "b"


def test_a_revision_is_found_by_what_it_begins_with(tmp_path: Path) -> None:
    found = history(tmp_path, one1=None, one2="one1", two="one2")
    assert found.find("tw") == found.find("head") == "two"
    assert found.find("base") is None
    for name in ("one", "three", ""):
        with pytest.raises(NoSuchRevision):
            found.find(name)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("revision = ", "line 1"),
        ("x = 1", "declares no `revision`"),
        ("revision = name()\ndown_revision = None", "must be written as a constant"),
        ("revision = 3\ndown_revision = None", "revision is a text"),
        ("revision = ''\ndown_revision = None", "revision is a text"),
        ("revision = 'a'\ndown_revision = 3", "revision is a text"),
        ("revision = 'a'\ndown_revision = ('b', None)", "revision is a text"),
        ("revision = 'a'\ndown_revision = None\ndepends_on = 'b'", "not supported"),
        ("revision = 'a'\ndown_revision = None\nbranch_labels = ('b',)", "not supported"),
    ],
)
def test_a_file_that_is_no_revision_is_an_error_that_says_why(source: str, reason: str) -> None:
    with pytest.raises(HistoryBroken, match=reason):
        parse_revision(source, PATH)


@pytest.mark.parametrize("before", ["@cache\ndef helper(): ...\n", 'SQL = """\ndef x\n"""\n', "if True:\n    pass\n@cache\ndef f(): ...\n"])
def test_functions_may_be_decorated_and_texts_hold_lines_like_functions(before: str) -> None:
    found = parse_revision(f'"""Says so."""\nrevision = "b"\ndown_revision = "a"\n{before}def upgrade(): ...\n', PATH)
    assert (found.id, found.parents, found.message) == ("b", ("a",), "Says so.")
    with pytest.raises(HistoryBroken, match="line 5: this revision is not Python"):
        parse_revision(f'"""\n"""\nrevision = "b"\ndown_revision = "a"\n= 1\n{before}', PATH)


def test_constants_may_be_annotated_and_stand_below_functions() -> None:
    found = parse_revision("def upgrade(): ...\nrevision: str = 'b'\ndown_revision: str | None = 'a'\n", PATH)
    assert (found.id, found.parents) == ("b", ("a",))
    found = parse_revision("revision = 'b'\ndef upgrade(): ...\ndown_revision = 'a'\n", PATH)
    assert found.parents == ("a",)


def test_a_hole_a_circle_and_a_copy_are_errors(tmp_path: Path) -> None:
    for number, parents in enumerate([{"b": "a"}, {"a": "b", "b": "a"}]):
        folder = tmp_path / str(number)
        folder.mkdir()
        with pytest.raises(HistoryBroken, match=r"Bring its file back|in a circle"):
            history(folder, **parents)
    history(tmp_path, a=None)
    (tmp_path / "copy.py").write_text((tmp_path / "a.py").read_text())
    with pytest.raises(HistoryBroken, match="same revision id a"):
        read_history(tmp_path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(HistoryBroken, match=r"a\.py cannot be read: UnicodeDecodeError"):
        read_history(tmp_path)


def test_a_package_file_is_no_revision(tmp_path: Path) -> None:
    (tmp_path / "__init__.py").write_text("")
    assert read_history(tmp_path).heads == ()


def test_the_folder_of_alembic_itself_is_not_ours(tmp_path: Path) -> None:
    assert is_used(tmp_path)
    assert not is_used(None)
    assert not is_used(tmp_path / "none")
    (tmp_path / "env.py").write_text("")
    assert not is_used(tmp_path)
