"""How does PostgreSQL execute a statement? ``EXPLAIN ANALYZE`` around one that SQLAlchemy built."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ClauseElement, Executable
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler


class Explain(Executable, ClauseElement):
    """``EXPLAIN (ANALYZE, BUFFERS) <statement>``, with the statement's own parameters."""

    inherit_cache = False

    def __init__(self, statement: ClauseElement) -> None:
        self.statement = statement


@compiles(Explain)
def _compile_explain(element: Explain, compiler: SQLCompiler, **kw: Any) -> str:
    return f"EXPLAIN (ANALYZE, BUFFERS) {compiler.process(element.statement, **kw)}"
