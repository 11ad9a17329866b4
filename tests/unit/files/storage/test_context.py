"""The storage belongs to the app."""

from __future__ import annotations

import pytest

from planar.context import ServiceNotFound, Services, bind_services
from planar.files.storage.context import get_storage, set_storage
from planar.files.storage.errors import StorageNotConfigured
from planar.testing import MemoryStorage


def test_an_app_has_the_storage_that_it_was_given_last_and_no_others() -> None:
    first, second = MemoryStorage(), MemoryStorage()
    with bind_services(Services()):
        set_storage(first)
        set_storage(second)
        assert get_storage() is second
        with bind_services(Services()), pytest.raises(LookupError):
            get_storage()
        assert get_storage() is second


def test_an_app_without_storage_says_what_to_do() -> None:
    with bind_services(Services()), pytest.raises(StorageNotConfigured, match="`storage` section") as caught:
        get_storage()
    assert isinstance(caught.value, LookupError)


def test_outside_an_app_there_is_none() -> None:
    with pytest.raises(ServiceNotFound):
        get_storage()
    with pytest.raises(ServiceNotFound):
        set_storage(MemoryStorage())
