"""How is Google Cloud Storage used?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from planar import lazy
from planar.files.storage.base import DEFAULT_URL_TTL_SECONDS
from planar.files.storage.checks import checked_prefix, checked_ttl
from planar.files.storage.object_store import RETRIES, ObjectStorage


class GCSStorage(ObjectStorage):
    """Keeps files in a bucket of Google Cloud Storage.

    Args:
        bucket_name: the bucket, which exists already.
        credentials_file: a service account's key; by default whatever the environment or the machine has.
        service_account_key: the same as text.
        presigned_url_ttl: for how many seconds what `external_url` gives is valid, seven days at most.
        prefix: what the name of each object begins with, as ``files/``.
    """

    def __init__(
        self,
        bucket_name: str,
        credentials_file: str | Path | None = None,
        service_account_key: str | None = None,
        presigned_url_ttl: int = DEFAULT_URL_TTL_SECONDS,
        *,
        prefix: str = "",
    ) -> None:
        self.url_ttl_seconds = checked_ttl(presigned_url_ttl)
        self._bucket_name = bucket_name
        self._prefix = checked_prefix(prefix)
        config: dict[str, Any] = {}
        if credentials_file is not None:
            config["service_account"] = str(credentials_file)
        if service_account_key is not None:
            config["service_account_key"] = service_account_key

        def open_store(client_options: dict[str, Any]) -> Any:
            return lazy.obstore().store.GCSStore(
                bucket_name, prefix=self._prefix or None, config=config, client_options=client_options, retry_config=RETRIES
            )

        super().__init__(open_store)

    def __repr__(self) -> str:
        return f"GCSStorage({self._bucket_name!r}, prefix={self._prefix!r})"
