"""The settings of storages, and what they open."""

from __future__ import annotations

import sys

import pytest
from pydantic import TypeAdapter, ValidationError

from planar.config import load_config
from planar.files.storage.base import Storage
from planar.files.storage.config import AzureConfig, GCSConfig, LocalDirectoryConfig, MemoryConfig, S3Config, StorageConfig
from planar.files.storage.errors import StorageExtraMissing
from planar.files.storage.opening import create_from_config

SECTIONS = {
    "LocalDirectoryStorage": "{backend: localdir, directory: /srv/files}",
    "MemoryStorage": "{backend: memory}",
    "S3Storage": "{backend: s3, bucket_name: abc, region: r, access_key: geheim, secret_key: geheim, session_token: geheim, prefix: /a/b/}",
    "GCSStorage": "{backend: gcs, bucket_name: abc, service_account_key: '%s', prefix: a}",
    "AzureStorage": "{backend: azure, account_name: abc, container_name: def, account_key: Z2VoZWlt, endpoint_url: 'http://h:1/abc'}",
}

SERVICE_ACCOUNT = (
    '{"private_key": "geheim", "private_key_id": "x", "client_email": "a@b", "gcs_base_url": "https://localhost", "disable_oauth": true}'
)


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "GOOGLE_SERVICE_ACCOUNT", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)


def opened(section: str) -> Storage:
    minimal = "db_connections: {app: {driver: sqlite, path: x.db}}\napp: {db_connection: app}\nstorage: "
    config = load_config(minimal + (section.replace("%s", SERVICE_ACCOUNT)))
    assert config.storage is not None
    return create_from_config(config.storage)


@pytest.mark.parametrize(("kind", "section"), SECTIONS.items())
def test_each_backend_opens_its_storage_and_shows_no_secret(kind: str, section: str) -> None:
    storage = opened(section)
    assert type(storage).__name__ == kind
    assert "geheim" not in repr(storage)
    assert "Z2VoZWlt" not in repr(storage)


def test_a_prefix_is_brought_into_one_form() -> None:
    assert repr(opened(SECTIONS["S3Storage"])) == "S3Storage('abc', prefix='a/b/')"


@pytest.mark.parametrize("kind", ["S3Storage", "GCSStorage", "AzureStorage"])
def test_without_the_library_the_error_says_how_to_get_it(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(StorageExtraMissing, match=r"pip install 'planar\[storage\]'") as caught:
        opened(SECTIONS[kind])
    assert isinstance(caught.value, ImportError)


@pytest.mark.parametrize(
    "wrong",
    [
        {"backend": "ftp"},
        {"backend": "localdir"},
        {"backend": "localdir", "directory": ""},
        {"backend": "memory", "directory": "x"},
        {"backend": "s3", "bucket_name": "ab", "region": "r"},
        {"backend": "s3", "bucket_name": "abc"},
        {"backend": "s3", "bucket_name": "abc", "region": "r", "access_key": "half"},
        {"backend": "s3", "bucket_name": "abc", "region": "r", "access_key": "", "secret_key": ""},
        {"backend": "s3", "bucket_name": "abc", "region": "r", "presigned_url_ttl": 0},
        {"backend": "s3", "bucket_name": "abc", "region": "r", "presigned_url_ttl": 604801},
        {"backend": "s3", "bucket_name": "abc", "region": "r", "prefix": "../x"},
        {"backend": "s3", "bucket_name": "abc", "region": "r", "endpoint_url": "ftp://h"},
        {"backend": "gcs", "bucket_name": "abc", "credentials_file": "a", "service_account_key": "b"},
        {"backend": "azure", "account_name": "abc"},
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(StorageConfig).validate_python(wrong)


def test_no_settings_show_a_secret() -> None:
    keys = dict.fromkeys(("access_key", "secret_key", "session_token"), "geheim")
    account = {"account_name": "abc", "container_name": "def", "account_key": "geheim", "endpoint_url": "http://u:geheim@h"}
    for config in (
        S3Config.model_validate({"bucket_name": "abc", "region": "r", **keys}),
        GCSConfig.model_validate({"bucket_name": "abc", "service_account_key": "geheim"}),
        AzureConfig.model_validate(account),
    ):
        assert "geheim" not in repr(config)
        assert "geheim" not in config.model_dump_json(exclude={"endpoint_url"})


def test_a_backend_needs_no_name_in_code() -> None:
    assert (LocalDirectoryConfig(directory="x").backend, MemoryConfig().backend) == ("localdir", "memory")
