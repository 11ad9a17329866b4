"""Which storage belongs to these settings? The one place that chooses an adapter."""

from __future__ import annotations

from pydantic import AnyHttpUrl, SecretStr

from planar.files.storage.azure import AzureStorage
from planar.files.storage.base import Storage
from planar.files.storage.config import (
    AzureConfig,
    GCSConfig,
    LocalDirectoryConfig,
    MemoryConfig,
    S3Config,
    StorageConfig,
)
from planar.files.storage.google_cloud import GCSStorage
from planar.files.storage.local_directory import LocalDirectoryStorage
from planar.files.storage.memory import MemoryStorage
from planar.files.storage.s3 import S3Storage

__all__ = ["MemoryStorage", "create_from_config"]


def create_from_config(config: StorageConfig) -> Storage:
    """The storage that *config* describes. Nothing is asked of it yet: neither a directory nor a bucket is touched.

    Raises:
        StorageExtraMissing: it needs a library that is not installed; the message says which extra brings it.
    """
    match config:
        case LocalDirectoryConfig():
            return LocalDirectoryStorage(config.directory)
        case MemoryConfig():
            return MemoryStorage()
        case S3Config():
            return _s3(config)
        case GCSConfig():
            key = _revealed(config.service_account_key)
            return GCSStorage(config.bucket_name, config.credentials_file, key, config.presigned_url_ttl, prefix=config.prefix)
        case AzureConfig():
            return _azure(config)


def _s3(config: S3Config) -> S3Storage:
    return S3Storage(
        config.bucket_name,
        config.region,
        _address(config.endpoint_url),
        _revealed(config.access_key),
        _revealed(config.secret_key),
        _revealed(config.session_token),
        presigned_url_ttl=config.presigned_url_ttl,
        prefix=config.prefix,
    )


def _azure(config: AzureConfig) -> AzureStorage:
    return AzureStorage(
        config.account_name,
        config.container_name,
        _revealed(config.account_key),
        _address(config.endpoint_url),
        config.presigned_url_ttl,
        prefix=config.prefix,
    )


def _address(url: AnyHttpUrl | None) -> str | None:
    return None if url is None else str(url)


def _revealed(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()
