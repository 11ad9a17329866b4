"""The pure parts: names, the text of a revision, what the history makes, and what a column's collation is."""

from __future__ import annotations

import ast
from datetime import UTC, datetime

import pytest
from sqlalchemy import Column, Enum, MetaData, String, Table

from planar.db.app_migrations.collations import collations_in
from planar.db.app_migrations.history_tables import tables_of_history
from planar.db.app_migrations.labels import added_labels, labels_of_classes, labels_of_history, removed_labels
from planar.db.app_migrations.naming import file_name, revision_id
from planar.db.app_migrations.revision_file import Body, revision_text

NOW = datetime(2026, 3, 1, 23, 59, 59, tzinfo=UTC)


def test_a_revision_is_named_by_its_time_and_never_like_another() -> None:
    assert revision_id(NOW, ()) == "20260301235959"
    assert revision_id(NOW, {"20260301235959", "20260302000000"}) == "20260302000001"


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ("Add due to Invoice!", "1_add_due_to_invoice.py"),
        ("../../etc/passwd", "1_etc_passwd.py"),
        ("", "1.py"),
        ("äöü", "1.py"),
        ("word " * 20, "1_word_word_word_word_word_word_word_word_word.py"),
        ("x" * 99, f"1_{'x' * 48}.py"),
    ],
)
def test_a_file_is_named_by_the_words_of_its_message(message: str, name: str) -> None:
    assert file_name("1", message) == name


@pytest.mark.parametrize("message", ['say "hello"', '"""', "back\\slash", "two\nlines", "", "'"])
def test_any_message_makes_a_file_that_is_python(message: str) -> None:
    module = ast.parse(revision_text("1", message, [], Body()))
    assert (ast.get_docstring(module) or "").strip() == message.replace('"""', "'''").replace("\n", " ")


def test_what_a_revision_follows_is_written_as_a_constant() -> None:
    assert "down_revision = None\n" in revision_text("2", "m", [], Body())
    assert 'down_revision = "1"\n' in revision_text("2", "m", ["1"], Body())
    assert 'down_revision = ("0", "1")\n' in revision_text("2", "m", ["0", "1"], Body())


def test_imports_of_one_module_are_one_line() -> None:
    text = revision_text("1", "m", [], Body(imports={"from a import c", "from a import b", "import d"}))
    assert "from a import b, c\nimport d\n" in text


def revision(*statements: str) -> str:
    lines = [f"    op.execute({statement!r})" for statement in statements]
    return "\n".join(["def upgrade():", *lines, "def downgrade():", '    op.execute("DROP TYPE state")'])


def test_the_enums_of_a_history_are_those_after_its_last_revision() -> None:
    found = labels_of_history(
        [
            revision("CREATE TYPE state AS ENUM ('open', 'it''s, paid')", "CREATE TYPE gone AS ENUM ('x')"),
            revision("ALTER TYPE state ADD VALUE IF NOT EXISTS 'sent'", "alter type state add value 'late' after 'open'"),
            revision("DROP TYPE IF EXISTS gone", "ALTER TYPE state RENAME VALUE 'sent' TO 'posted'", "SELECT 'open'"),
            revision("CREATE TYPE billing.\"Kind\" AS ENUM ('a')", "DROP TYPE never"),
        ]
    )
    assert found == {"state": ("open", "it's, paid", "posted", "late"), "billing.Kind": ("a",)}


def test_an_enum_that_a_table_brings_along_is_the_historys_as_well() -> None:
    source = """
def upgrade():
    op.execute("CREATE TYPE known AS ENUM ('a')")
    op.create_table("t", sa.Column("x", sa.Enum("a", "b", name="mine")), sa.Column("y", postgresql.ENUM("c", name="other", schema="s")))
    op.create_table("u", sa.Column("x", sa.Enum("a", "z", name="known", create_type=False)), sa.Column("y", sa.Enum(*names, name="no")))
    op.create_table("v", sa.Column("x", sa.Enum("a", name="text", native_enum=False)))
"""
    assert labels_of_history([source]) == {"known": ("a",), "mine": ("a", "b"), "s.other": ("c",)}


def test_the_enums_of_classes_are_those_that_postgresql_has_types_for() -> None:
    metadata = MetaData()
    Table(
        "t",
        metadata,
        Column("a", Enum("x", "y", name="native")),
        Column("b", Enum("x", name="text", native_enum=False)),
        Column("c", Enum("z", name="inside", schema="billing")),
        Column("d", String),
    )
    assert labels_of_classes([metadata]) == {"native": ("x", "y"), "billing.inside": ("z",)}


def test_only_the_values_of_enums_that_are_known_are_added_or_too_many() -> None:
    known = {"a": ("1", "2")}
    assert added_labels(known, {"a": ("2", "3"), "b": ("1",)}) == {"a": ("3",)}
    assert removed_labels(known, {"a": ("2", "3"), "b": ("1",)}) == {"a": ("1",)}


def test_the_tables_of_a_history_are_those_that_it_made_or_renamed() -> None:
    source = """
def upgrade():
    op.create_table("a", sa.Column("x"), schema="s")
    op.create_table('b')
    op.rename_table("b", "c")
    op.create_table(name)
    op.drop_table("d")
"""
    assert tables_of_history([source]) == {("s", "a"), (None, "b"), (None, "c")}


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("CREATE TABLE t (\n\ttotal TEXT COLLATE decimal NOT NULL, \n\tname VARCHAR)", {"total": "decimal"}),
        ('CREATE TABLE "t" ("total sum" TEXT COLLATE "decimal", x TEXT COLLATE NOCASE)', {"total sum": "decimal", "x": "NOCASE"}),
        ("CREATE TABLE t (a VARCHAR(20) COLLATE x, b NUMERIC(3, 2), c TEXT DEFAULT 'COLLATE')", {"a": "x"}),
        ("CREATE TABLE t (a TEXT, b TEXT COLLATE decimal DEFAULT (1 + (2)))", {"b": "decimal"}),
        ("CREATE TABLE t (a INTEGER)", {}),
    ],
)
def test_the_collations_of_a_table_are_read_from_its_statement(statement: str, found: dict[str, str]) -> None:
    assert collations_in(statement) == found
