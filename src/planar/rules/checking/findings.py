"""What is a finding? One thing that is wrong with a graph, where it stands, and what would be right."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import BaseModel

from planar.rules.nodes import NodeBase


class FindingSeverity(StrEnum):
    """An error keeps a graph from being saved; a warning is only told."""

    ERROR = "error"
    WARNING = "warning"


class FindingCode(StrEnum):
    """What kind of thing is wrong."""

    # the schemas of what comes in and goes out
    MISSING_FIELD = "MISSING_FIELD"
    EXTRA_FIELD = "EXTRA_FIELD"
    VALUE_MISMATCH = "VALUE_MISMATCH"
    BAD_SCHEMA = "BAD_SCHEMA"
    # nodes and edges
    INPUT_COUNT = "INPUT_COUNT"
    OUTPUT_COUNT = "OUTPUT_COUNT"
    OUTPUT_UNREACHABLE = "OUTPUT_UNREACHABLE"
    NODE_UNREACHABLE = "NODE_UNREACHABLE"
    DEAD_END = "DEAD_END"
    CYCLE = "CYCLE"
    DANGLING_EDGE = "DANGLING_EDGE"
    DUPLICATE_ID = "DUPLICATE_ID"
    UNKNOWN_NESTED_RULE = "UNKNOWN_NESTED_RULE"
    NESTED_RULE_IN_CODE = "NESTED_RULE_IN_CODE"
    NESTED_RULE_BROKEN = "NESTED_RULE_BROKEN"
    NESTED_CYCLE = "NESTED_CYCLE"
    # texts
    BAD_CELL = "BAD_CELL"
    BAD_EXPRESSION = "BAD_EXPRESSION"
    BAD_CONDITION = "BAD_CONDITION"
    BAD_SCRIPT = "BAD_SCRIPT"
    SCRIPT_TOO_LARGE = "SCRIPT_TOO_LARGE"
    TEXT_TOO_LARGE = "TEXT_TOO_LARGE"
    # what they mean
    UNKNOWN_FIELD = "UNKNOWN_FIELD"
    MISSING_OUTPUT = "MISSING_OUTPUT"
    WRONG_TYPE = "WRONG_TYPE"
    # tables
    UNREACHABLE_ROW = "UNREACHABLE_ROW"
    DUPLICATE_ROW = "DUPLICATE_ROW"
    OVERLAPPING_ROWS = "OVERLAPPING_ROWS"
    UNCOVERED_VALUES = "UNCOVERED_VALUES"


class Finding(BaseModel):
    """One thing that is wrong with a graph.

    ``row`` is the row's number in its table, from 1; ``column`` the name of its column, or the key of an expression; ``field_path``
    the dotted field that it is about. ``suggestion`` says what would be right.
    """

    code: FindingCode
    severity: FindingSeverity = FindingSeverity.ERROR
    message: str
    node_id: str | None = None
    node_name: str | None = None
    row: int | None = None
    column: str | None = None
    field_path: str = ""
    suggestion: str | None = None
    for_object: str | None = None
    reference_value: Any = None
    current_value: Any = None


def at(node: NodeBase, code: FindingCode, message: str, **more: Any) -> Finding:
    """A finding at *node*; *more* are further fields of it."""
    return Finding(code=code, message=message, node_id=node.id, node_name=node.name, **more)


def has_errors(findings: list[Finding]) -> bool:
    """Whether one of them keeps a graph from being saved."""
    return any(finding.severity is FindingSeverity.ERROR for finding in findings)
