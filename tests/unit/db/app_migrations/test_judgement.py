from __future__ import annotations

from pathlib import Path

import pytest

from planar.db.app_migrations.history import History, Revision
from planar.db.app_migrations.judgement import ADOPT, FIRST, INIT, MERGE, REVISE, UPGRADE, Facts, first_revision, judge
from planar.db.app_migrations.starting import StartPolicy, how_missing_tables_come
from planar.db.errors import DatabaseAhead, DatabaseBehind, SeveralHeads, TableDiffers, TablesNotAdopted

FOLDER = Path("migrations")


def history(*chain: str) -> History:
    revisions = {name: Revision(name, chain[:number][-1:], f"about {name}", FOLDER) for number, name in enumerate(chain)}
    return History(FOLDER, revisions)


def judged(history: History, facts: Facts, *, allow_newer: bool = False) -> list[tuple[object, str]]:
    return [(finding.error, finding.command) for finding in judge(history, facts, allow_newer=allow_newer)]


def test_a_database_at_the_newest_revision_with_its_tables_fits() -> None:
    assert judged(history("a", "b"), Facts(("b",), present=("t",))) == []
    assert judged(history(), Facts(())) == []


def test_one_that_is_behind_is_upgraded_whatever_its_tables_are() -> None:
    facts = Facts(("a",), present=("t",), missing=("u",), differences=("Table t has no column c.",))
    assert judged(history("a", "b"), facts) == [(DatabaseBehind, UPGRADE)]
    assert judged(history("a", "b"), Facts((), missing=("t",))) == [(DatabaseBehind, UPGRADE)]


def test_tables_without_a_revision_are_adopted() -> None:
    assert judged(history("a"), Facts((), present=("t",))) == [(TablesNotAdopted, ADOPT)]


def test_a_table_that_no_revision_knows_needs_one() -> None:
    facts = Facts(("a",), missing=("t",), differences=("Table u has no column c.",))
    assert judged(history("a"), facts) == [(TableDiffers, f"{REVISE}, then {UPGRADE}")]
    assert judge(history("a"), facts)[0].sentence().startswith("Table t is missing. Table u has no column c. No revision says so. Run: ")


def test_a_revision_that_is_not_known_is_refused_unless_it_is_allowed_and_the_tables_fit() -> None:
    assert [error for error, _ in judged(history("a"), Facts(("z",)))] == [DatabaseAhead]
    assert judged(history("a"), Facts(("z",)), allow_newer=True) == []
    assert [error for error, _ in judged(history("a"), Facts(("z",), missing=("t",)), allow_newer=True)] == [TableDiffers]


def test_two_newest_revisions_come_before_everything_else() -> None:
    forked = History(FOLDER, {name: Revision(name, (), "", FOLDER) for name in "ab"})
    assert judged(forked, Facts(("z",), missing=("t",))) == [(SeveralHeads, MERGE)]


def test_a_command_names_the_settings_that_lead_to_the_database_except_where_developers_write_the_revision() -> None:
    found = judge(history("a"), Facts(()), where=" --env prod") + judge(history("a"), Facts(("a",), missing=("t",)), where=" --env prod")
    assert [finding.command for finding in found] == [f"{UPGRADE} --env prod", f"{REVISE}, then {UPGRADE} --env prod"]


def test_every_command_names_the_file_with_the_app_if_none_is_found_without() -> None:
    entry = " --path sub/service.py"
    forked = History(FOLDER, {name: Revision(name, (), "", FOLDER) for name in "ab"})
    found = [
        *judge(forked, Facts(()), entry=entry),
        *judge(history("a"), Facts(("z",)), entry=entry),
        *judge(history("a"), Facts(()), entry=entry),
        *judge(history("a"), Facts((), present=("t",)), entry=entry),
        *judge(history("a"), Facts(("a",), missing=("t",)), entry=entry),
    ]
    told = [finding.command for finding in found]
    told += [first_revision(begun=False, present=present, missing=("c",), where=" --env prod", entry=entry) for present in ((), ("a",))]
    assert len(told) == 7
    for command in told:
        assert command.count("planar db") == command.count(entry), command
    assert told[5] == f"{INIT}{entry}, {FIRST}{entry}, then {UPGRADE}{entry} --env prod"


def test_a_finding_tells_machines_its_code_and_its_command() -> None:
    found = judge(history("a"), Facts(()))[0].for_machines()
    assert (found["code"], found["command"]) == ("database_behind", UPGRADE)


@pytest.mark.parametrize(
    ("begun", "present", "missing", "expected"),
    [
        (False, (), ("a",), f"{INIT}, {FIRST}, then {UPGRADE} --env prod"),
        (True, (), ("a",), f"{FIRST}, then {UPGRADE} --env prod"),
        (True, ("a",), (), f"{FIRST}, then {ADOPT} --env prod"),
        (
            False,
            ("a", "b"),
            ("c",),
            f"{INIT}, {FIRST}, {ADOPT} --env prod, all with the classes of a, b alone; "
            f"then with the others: {REVISE}, {UPGRADE} --env prod",
        ),
    ],
)
def test_the_first_revision_makes_what_is_missing_and_takes_what_is_there(
    begun: bool, present: tuple[str, ...], missing: tuple[str, ...], expected: str
) -> None:
    assert first_revision(begun=begun, present=present, missing=missing, where=" --env prod") == expected


def test_only_a_strict_start_needs_somebody_to_make_the_tables(tmp_path: Path) -> None:
    assert how_missing_tables_come(StartPolicy(tmp_path), (), ("a",)) is None
    told = how_missing_tables_come(StartPolicy(tmp_path / "absent", is_strict=True, where=" --env prod"), (), ("a",))
    assert told == f"The application has no revision that makes them. Run: {INIT}, {FIRST}, then {UPGRADE} --env prod"
    (tmp_path / "env.py").write_text("")
    told = how_missing_tables_come(StartPolicy(tmp_path, is_strict=True), (), ("a",))
    assert told == f"{tmp_path} is Alembic's own. Run: alembic upgrade head"
