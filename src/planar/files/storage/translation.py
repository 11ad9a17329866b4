"""What does an error of the library for buckets mean? Its texts carry addresses, so only statuses and codes are passed on."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from planar import lazy
from planar.errors import PlanarError
from planar.files.storage.checks import missing
from planar.files.storage.errors import StorageExtraMissing, StorageFailed, StoredFileExists

_STATUS = re.compile(r"status code: (\d{3})")
_CODE = re.compile(r"<Code>(\w{1,64})</Code>")


def library() -> Any:
    """The library for buckets.

    Raises:
        StorageExtraMissing: it is not installed.
    """
    try:
        return lazy.obstore()
    except ImportError:
        raise StorageExtraMissing from None


@contextmanager
def translated(ref: str = "", *, writing: bool = False) -> Generator[None]:
    """Raise errors of the library as ours.

    Args:
        ref: of the file that is asked for.
        writing: whether a file is written; then something that does not exist is no missing file.
    """
    errors = lazy.obstore().exceptions
    try:
        yield
    except PlanarError:
        raise
    except (errors.AlreadyExistsError, errors.PreconditionError):
        raise StoredFileExists from None
    except FileNotFoundError as error:
        if writing or "NoSuchBucket" in str(error):
            raise StorageFailed("The bucket of files, or an upload to it, does not exist.") from None
        raise missing(ref) from None
    except (errors.BaseError, OSError, ValueError) as error:
        raise StorageFailed(reason(str(error))) from None


def reason(text: str) -> str:
    """What an error text of the library says that everybody may read."""
    status, code = _STATUS.search(text), _CODE.search(text)
    if status is None:
        return "The bucket of files could not be reached, or there are no credentials for it."
    return f"The bucket of files answered with status {status[1]}{f' ({code[1]})' if code else ''}."
