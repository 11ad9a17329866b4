"""Which storage does the running app have?"""

from __future__ import annotations

from planar.context import current_services
from planar.files.storage.base import Storage
from planar.files.storage.errors import StorageNotConfigured

__all__ = ["get_storage", "set_storage"]


def get_storage() -> Storage:
    """The storage of the app that this task belongs to.

    Raises:
        StorageNotConfigured: the app has none (a ``LookupError``).
        ServiceNotFound: no app is running here (a ``LookupError`` as well).
    """
    storage = current_services().find(Storage)
    if storage is None:
        raise StorageNotConfigured
    return storage


def set_storage(storage: Storage) -> None:
    """Make *storage* the one of the app that this task belongs to, for all its tasks. The app closes the one that it began with only.

    Raises:
        ServiceNotFound: no app is running here.
    """
    current_services().add(Storage, storage)
