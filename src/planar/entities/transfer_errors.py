"""What can go wrong with a whole file."""

from __future__ import annotations

from planar.entities.errors import EntityError
from planar.modeling.errors import Misfits


class ImportRefused(Misfits):
    """Some lines of a file do not fit, so nothing of it was written."""

    code = "import_refused"


class FileTooLarge(EntityError):
    """The file is larger than an import may be."""

    code = "import_too_large"
    status = 413
