"""What a statement does is read from its text, whatever stands in its comments and strings."""

from __future__ import annotations

import pytest

from planar.db.statements import StatementKind, kind_of


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO t VALUES (1)",
        "  \n insert into t values (1)",
        "UPDATE t SET a = 1",
        "DELETE FROM t",
        "REPLACE INTO t VALUES (1)",
        "/* why */ -- more\n INSERT INTO t VALUES (1)",
        "WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x",
        "with recursive x as (select 1) delete from t where a in (select * from x)",
        "WITH moved AS (DELETE FROM t RETURNING *) SELECT * FROM moved",
        "CREATE TABLE t (a)",
        "ALTER TABLE t ADD b",
        "DROP INDEX i",
        "TRUNCATE t",
        "MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE",
    ],
)
def test_a_statement_that_writes_is_seen(statement: str) -> None:
    assert kind_of(statement) is StatementKind.WRITE


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 'INSERT INTO t'",
        'SELECT "update" FROM t -- DELETE',
        "WITH x AS (SELECT 'it''s an UPDATE' AS a /* INSERT */) SELECT a, [delete], `insert` FROM x",
        "WITH x AS (SELECT replace(a, 'b', 'c') FROM t) SELECT * FROM x",
        "WITH x AS (SELECT updated, inserted FROM t) SELECT * FROM x",
        "PRAGMA user_version",
        "EXPLAIN INSERT INTO t VALUES (1)",
        "VALUES (1)",
        "RELEASE SAVEPOINT a",
        "ROLLBACK TO SAVEPOINT a",
        "",
    ],
)
def test_a_statement_that_reads_is_not_taken_for_a_writing_one(statement: str) -> None:
    assert kind_of(statement) is StatementKind.READ


@pytest.mark.parametrize("statement", ["BEGIN", "begin immediate", "COMMIT", "END TRANSACTION", "ROLLBACK", "START TRANSACTION"])
def test_text_that_would_begin_or_end_a_transaction_is_seen(statement: str) -> None:
    assert kind_of(statement) is StatementKind.CONTROL


def test_a_savepoint_opens_a_transaction() -> None:
    assert kind_of("SAVEPOINT sa_savepoint_1") is StatementKind.SAVEPOINT
