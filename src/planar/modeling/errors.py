"""What can be wrong with a value, a filter or a signature.

::

    ModelingError
    ├── InvalidDecimal          also ValueError
    ├── InvalidJSON             also ValueError
    ├── InvalidFilter           also ValueError
    ├── Misfits                 also ValueError
    ├── UnknownField            also ValueError
    └── UnsupportedSignature    also TypeError
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from planar.errors import PlanarError


class ModelingError(PlanarError):
    """A value or a declaration does not fit the model."""

    code = "modeling_error"


class InvalidDecimal(ModelingError, ValueError):
    """This is not a decimal that the column can hold."""

    code = "invalid_decimal"
    status = 422


class InvalidJSON(ModelingError, ValueError):
    """This value is not JSON."""

    code = "invalid_json"
    status = 422


class InvalidFilter(ModelingError, ValueError):
    """This filter or page cannot be understood."""

    code = "invalid_filter"
    status = 422


class UnsupportedSignature(ModelingError, TypeError):
    """A function with this signature cannot be described as a form."""

    code = "unsupported_signature"


class UnknownField(ModelingError, ValueError):
    """The entity has no such field."""

    code = "unknown_field"


class Misfits(ModelingError, ValueError):
    """What was given does not fit, in one place or in several. Over HTTP its entries are the answer's ``detail``, as FastAPI's are.

    Args:
        entries: for each place its ``loc`` (the path to it, from ``body``, ``query`` or ``path``), a ``type`` and a ``msg``.
    """

    code = "validation_error"
    status = 422

    def __init__(self, entries: Sequence[Mapping[str, Any]]) -> None:
        self.entries = entries
        shown = "; ".join(f"{'.'.join(map(str, entry['loc']))}: {entry['msg']}" for entry in entries[:3])
        super().__init__(shown + (f"; and {len(entries) - 3} more" if len(entries) > 3 else ""))
