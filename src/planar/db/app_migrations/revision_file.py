"""What stands in a revision file? Its text, from its parts."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

_TEMPLATE = '''"""{message}"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
{imports}
revision = "{identity}"
down_revision = {parents}


def upgrade() -> None:
    {upgrade}


def downgrade() -> None:
    {downgrade}
'''


@dataclass(frozen=True, slots=True)
class Body:
    """What a revision does: the statements of both functions, indented but for the first line, and what they import."""

    upgrade: str = "pass"
    downgrade: str = "pass"
    imports: Collection[str] = ()


def revision_text(identity: str, message: str, parents: Sequence[str], body: Body) -> str:
    """The text of the file of the revision *identity*, which follows *parents*."""
    told = message.replace("\\", "\\\\").replace('"""', "'''").replace("\n", " ").strip()
    return _TEMPLATE.format(
        message=f"{told} " if told.endswith('"') else told,
        imports="".join(f"{line}\n" for line in _joined(body.imports)),
        identity=identity,
        parents=_parents(parents),
        upgrade=body.upgrade,
        downgrade=body.downgrade,
    )


def _joined(imports: Collection[str]) -> list[str]:
    """The import statements, one for each module."""
    names: dict[str, list[str]] = {}
    for line in sorted(imports):
        module, _, name = line.partition(" import ")
        names.setdefault(module, []).append(name)
    return [f"{module} import {', '.join(found)}" if all(found) else module for module, found in names.items()]


def _parents(parents: Sequence[str]) -> str:
    quoted = [f'"{each}"' for each in parents]
    return "None" if not quoted else quoted[0] if len(quoted) == 1 else f"({', '.join(quoted)})"
