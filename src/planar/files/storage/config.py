"""Where are files kept? The ``storage`` section of the settings: one class a backend, of which ``backend`` chooses one."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, AnyHttpUrl, BaseModel, ConfigDict, Field, SecretStr, model_validator

from planar.files.storage.base import DEFAULT_URL_TTL_SECONDS
from planar.files.storage.checks import LONGEST_TTL_SECONDS, checked_prefix

_STRICT = ConfigDict(extra="forbid", hide_input_in_errors=True, defer_build=True)

Secret: TypeAlias = Annotated[SecretStr, Field(min_length=1)]
Prefix: TypeAlias = Annotated[str, AfterValidator(checked_prefix)]
UrlTtl: TypeAlias = Annotated[int, Field(ge=1, le=LONGEST_TTL_SECONDS)]


class LocalDirectoryConfig(BaseModel):
    """Files in a directory of this machine."""

    model_config = _STRICT

    backend: Literal["localdir"] = "localdir"
    directory: str = Field(min_length=1)


class MemoryConfig(BaseModel):
    """Files in this process, which are gone with it: for tests."""

    model_config = _STRICT

    backend: Literal["memory"] = "memory"


class S3Config(BaseModel):
    """Files in a bucket of a service that speaks the S3 protocol."""

    model_config = _STRICT

    backend: Literal["s3"] = "s3"
    bucket_name: str = Field(min_length=3)
    region: str
    access_key: Secret | None = None
    secret_key: Secret | None = None
    session_token: Secret | None = None
    endpoint_url: AnyHttpUrl | None = Field(default=None, repr=False)
    presigned_url_ttl: UrlTtl = DEFAULT_URL_TTL_SECONDS
    prefix: Prefix = ""

    @model_validator(mode="after")
    def _both_keys(self) -> S3Config:
        if (self.access_key is None) != (self.secret_key is None):
            raise ValueError("give access_key and secret_key together, or neither")
        return self


class GCSConfig(BaseModel):
    """Files in a bucket of Google Cloud Storage."""

    model_config = _STRICT

    backend: Literal["gcs"] = "gcs"
    bucket_name: str = Field(min_length=3)
    credentials_file: str | None = Field(default=None, min_length=1)
    service_account_key: Secret | None = None
    presigned_url_ttl: UrlTtl = DEFAULT_URL_TTL_SECONDS
    prefix: Prefix = ""

    @model_validator(mode="after")
    def _one_key(self) -> GCSConfig:
        if self.credentials_file is not None and self.service_account_key is not None:
            raise ValueError("give credentials_file or service_account_key, not both")
        return self


class AzureConfig(BaseModel):
    """Files in a container of Azure Blob Storage."""

    model_config = _STRICT

    backend: Literal["azure"] = "azure"
    account_name: str = Field(min_length=3)
    container_name: str = Field(min_length=3)
    account_key: Secret | None = None
    endpoint_url: AnyHttpUrl | None = Field(default=None, repr=False)
    presigned_url_ttl: UrlTtl = DEFAULT_URL_TTL_SECONDS
    prefix: Prefix = ""


StorageConfig: TypeAlias = Annotated[
    LocalDirectoryConfig | S3Config | GCSConfig | AzureConfig | MemoryConfig, Field(discriminator="backend")
]
"""Where files are kept; ``backend`` tells which."""


def default_storage_config() -> LocalDirectoryConfig:
    """Files in the directory ``.files``."""
    return LocalDirectoryConfig(directory=".files")
