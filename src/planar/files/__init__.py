"""Files that workflows, entities and people carry: the value, its record, and where the bytes are.

The names are loaded at their first use: the settings belong to this package too, and need no tables.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from planar.files.checking import check_files
    from planar.files.columns import FileColumn, file_field
    from planar.files.models import PlanarFile, PlanarFileMetadata
    from planar.files.storage.context import get_storage

__all__ = ["FileColumn", "PlanarFile", "PlanarFileMetadata", "check_files", "file_field", "get_storage"]

_HOMES = {
    "FileColumn": "planar.files.columns",
    "PlanarFile": "planar.files.models",
    "PlanarFileMetadata": "planar.files.models",
    "check_files": "planar.files.checking",
    "file_field": "planar.files.columns",
    "get_storage": "planar.files.storage.context",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
