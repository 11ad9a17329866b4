"""Which values do the history's enums have? PostgreSQL has a type for each; SQLite has none, and could not be asked.

So the revision files are: a revision that was written on SQLite must be right on PostgreSQL as well.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from sqlalchemy import Enum, MetaData, Table
from sqlalchemy.types import TypeDecorator, TypeEngine

Labels = dict[str, tuple[str, ...]]
"""The values of each enum, by its name; a schema stands before it with a point."""

_CREATE = re.compile(r"^\s*CREATE\s+TYPE\s+(?P<name>\S+)\s+AS\s+ENUM\s*\((?P<labels>.*)\)\s*;?\s*$", re.IGNORECASE | re.DOTALL)
_ADD = re.compile(r"^\s*ALTER\s+TYPE\s+(?P<name>\S+)\s+ADD\s+VALUE\s+(IF\s+NOT\s+EXISTS\s+)?'(?P<label>(?:[^']|'')*)'", re.IGNORECASE)
_DROP = re.compile(r"^\s*DROP\s+TYPE\s+(IF\s+EXISTS\s+)?(?P<name>[^\s;]+)", re.IGNORECASE)
_RENAME = re.compile(
    r"^\s*ALTER\s+TYPE\s+(?P<name>\S+)\s+RENAME\s+VALUE\s+'(?P<old>(?:[^']|'')*)'\s+TO\s+'(?P<new>(?:[^']|'')*)'", re.IGNORECASE
)
_LITERAL = re.compile(r"'((?:[^']|'')*)'")


def labels_of_history(sources: Iterable[str]) -> Labels:
    """The enums after the ``upgrade`` of each of *sources*, revision files in their order."""
    known: Labels = {}
    for source in sources:
        for node in _of_upgrade(source):
            if isinstance(node, ast.Constant):
                _follow(known, str(node.value))
            else:
                _note_enum(known, node)
    return known


def _note_enum(known: Labels, call: ast.Call) -> None:
    """``sa.Enum("open", "paid", name="state")``, whose type a table that is made brings along, as in revisions written by hand."""
    words = {word.arg: word.value.value for word in call.keywords if isinstance(word.value, ast.Constant)}
    labels = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
    name = f"{words['schema']}.{words.get('name')}" if words.get("schema") else words.get("name")
    if isinstance(name, str) and len(labels) == len(call.args) and words.get("native_enum", True):
        known.setdefault(name, tuple(str(label) for label in labels))


def _follow(known: Labels, statement: str) -> None:
    if found := _CREATE.match(statement):
        known[_plain(found["name"])] = tuple(_unquoted(label) for label in _LITERAL.findall(found["labels"]))
    elif found := _ADD.match(statement):
        name, label = _plain(found["name"]), _unquoted(found["label"])
        known[name] = (*(each for each in known.get(name, ()) if each != label), label)
    elif found := _RENAME.match(statement):
        name, old, new = _plain(found["name"]), _unquoted(found["old"]), _unquoted(found["new"])
        known[name] = tuple(new if each == old else each for each in known.get(name, ()))
    elif found := _DROP.match(statement):
        known.pop(_plain(found["name"]), None)


def _of_upgrade(source: str) -> Iterable[ast.Constant | ast.Call]:
    """Every text and every enum in the function ``upgrade``, in the order in which they stand there."""
    functions = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef) and node.name == "upgrade"]
    found = [node for function in functions for node in ast.walk(function) if _is_text(node) or _is_enum(node)]
    nodes = cast("list[ast.Constant | ast.Call]", found)
    return sorted(nodes, key=lambda node: (node.lineno, node.col_offset))


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _is_enum(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2].upper() == "ENUM"


def _plain(name: str) -> str:
    return name.replace('"', "")


def _unquoted(label: str) -> str:
    return label.replace("''", "'")


def labels_of_classes(metadata: Iterable[MetaData]) -> Labels:
    """The enums that the tables of *metadata* use."""
    found: Labels = {}
    for each in metadata:
        for table in each.tables.values():
            found.update(labels_of_table(table))
    return found


def labels_of_table(table: Table) -> Labels:
    """The enums that *table* uses."""
    return {name: tuple(kind.enums) for column in table.columns if (kind := native_enum(column.type)) and (name := enum_name(kind))}


def native_enum(kind: TypeEngine[object]) -> Enum | None:
    """The enum that *kind* is, if PostgreSQL has a type for it."""
    while isinstance(kind, TypeDecorator):
        kind = kind.impl_instance
    return kind if isinstance(kind, Enum) and kind.native_enum and kind.name else None


def enum_name(kind: Enum) -> str:
    """Its name, after its schema if it has one."""
    schema = cast("str | None", getattr(kind, "schema", None))
    return f"{schema}.{kind.name}" if schema else str(kind.name)


def added_labels(known: Labels, wanted: Mapping[str, Sequence[str]]) -> Labels:
    """The values of *wanted* that the enums of *known* lack; an enum that *known* lacks is not among them."""
    found = {name: tuple(label for label in labels if label not in known[name]) for name, labels in wanted.items() if name in known}
    return {name: labels for name, labels in found.items() if labels}


def removed_labels(known: Labels, wanted: Mapping[str, Sequence[str]]) -> Labels:
    """The values that *known* has too many: PostgreSQL cannot take a value from an enum."""
    return added_labels({name: tuple(labels) for name, labels in wanted.items()}, known)
