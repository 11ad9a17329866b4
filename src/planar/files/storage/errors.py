"""What can go wrong between a file and the place that keeps its bytes.

::

    PlanarError
    ├── InvalidStorageRef     422  not a reference that a storage gave (also ValueError)
    ├── StoredFileNotFound    404  nothing is stored under this reference (also FileNotFoundError)
    ├── StoredFileExists      409  something is stored under this reference already (also FileExistsError)
    ├── FileTooLarge          413  the stream is longer than the caller allows
    ├── StorageFailed         503  the storage could not do it; another attempt may succeed (also OSError)
    ├── StorageNotConfigured  500  the app has no storage (also LookupError)
    └── StorageExtraMissing   500  the library for this storage is not installed (also ImportError)
"""

from __future__ import annotations

from planar.errors import PlanarError


class InvalidStorageRef(PlanarError, ValueError):
    """The reference of a stored file is a UUID in lower case with hyphens, as the storage gave it."""

    code = "invalid_storage_ref"
    status = 422


class StoredFileNotFound(PlanarError, FileNotFoundError):
    """Nothing is stored under this reference."""

    code = "stored_file_not_found"
    status = 404


class StoredFileExists(PlanarError, FileExistsError):
    """Something is stored under this reference already, and a stored file never changes: write under a new one."""

    code = "stored_file_exists"
    status = 409


class FileTooLarge(PlanarError):
    """The file is larger than allowed."""

    code = "file_too_large"
    status = 413


class StorageFailed(PlanarError, OSError):
    """The storage of files failed. Try again."""

    code = "storage_failed"
    status = 503


class StorageNotConfigured(PlanarError, LookupError):
    """No storage of files was found: give the settings a `storage` section."""

    code = "storage_not_configured"


class StorageExtraMissing(PlanarError, ImportError):
    """Storage in S3, Google Cloud or Azure needs a library: install it with `pip install 'planar[storage]'`."""

    code = "storage_extra_missing"
