"""What does a text mean in this environment? ``${NAME}``, ``${NAME:-default}`` and ``$NAME`` are replaced, ``$$`` is a dollar.

This happens after YAML was parsed, so a value can never change the shape of the file. A value stays the text that it is: the
setting's own type makes a number or a switch of it, so that a password of digits remains a password. Two rules are worth
knowing: the default is also used when the variable is empty, and an unquoted ``${NAME}`` that stands alone and is empty means
"not set" (null).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_REFERENCE = re.compile(
    r"\$(?:(?P<dollar>\$)|(?P<bare>[A-Za-z_]\w*)|\{(?P<name>[A-Za-z_]\w*)(?::-(?P<default>[^{}]*))?\}|(?P<broken>\{))",
    re.ASCII,
)


class MalformedReference(ValueError):
    """A ``${`` that begins no reference."""


class UnsetVariable(ValueError):
    """A reference to a variable that is not set, without a default."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(name)


def expand(text: str, variables: Mapping[str, str]) -> str:
    """*text* with its references replaced; the values put in are not searched for references again.

    Raises:
        UnsetVariable: a variable is not set and the reference has no default.
        MalformedReference: a ``${`` is not followed by a name and a closing brace.
    """

    def value(match: re.Match[str]) -> str:
        if match["dollar"]:
            return "$"
        if match["broken"]:
            raise MalformedReference("write ${NAME}, ${NAME:-default without braces}, or $$ for a dollar")
        name = match["bare"] or match["name"]
        found = variables.get(name)
        if match["default"] is not None:
            return found or match["default"]
        if found is None:
            raise UnsetVariable(name)
        return found

    return _REFERENCE.sub(value, text)


def is_single_reference(text: str) -> bool:
    """Whether *text* is one reference to a variable and nothing else."""
    match = _REFERENCE.fullmatch(text)
    return match is not None and match["dollar"] is None and match["broken"] is None
