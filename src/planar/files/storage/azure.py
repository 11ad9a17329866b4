"""How is the Blob Storage of Azure used?"""

from __future__ import annotations

from typing import Any

from planar import lazy
from planar.files.storage.base import DEFAULT_URL_TTL_SECONDS
from planar.files.storage.checks import checked_prefix, checked_ttl
from planar.files.storage.object_store import RETRIES, ObjectStorage


class AzureStorage(ObjectStorage):
    """Keeps files in a container of Azure Blob Storage. A PUT to an `upload_url` sends ``x-ms-blob-type: BlockBlob``.

    Args:
        account_name: the storage account.
        container_name: the container, which exists already.
        account_key: the account's key; by default whatever the environment or the machine has.
        endpoint_url: the address of another service; one that begins with ``http://`` is used without encryption.
        presigned_url_ttl: for how many seconds what `external_url` gives is valid, seven days at most.
        prefix: what the name of each blob begins with, as ``files/``.
    """

    def __init__(
        self,
        account_name: str,
        container_name: str,
        account_key: str | None = None,
        endpoint_url: str | None = None,
        presigned_url_ttl: int = DEFAULT_URL_TTL_SECONDS,
        *,
        prefix: str = "",
    ) -> None:
        self.url_ttl_seconds = checked_ttl(presigned_url_ttl)
        self._container_name = container_name
        self._prefix = checked_prefix(prefix)
        config: dict[str, Any] = {"account_name": account_name}
        if account_key is not None:
            config["account_key"] = account_key
        if endpoint_url is not None:
            config["endpoint"] = endpoint_url
        unencrypted = endpoint_url is not None and endpoint_url.startswith("http://")

        def open_store(client_options: dict[str, Any]) -> Any:
            return lazy.obstore().store.AzureStore(
                container_name,
                prefix=self._prefix or None,
                config=config,
                client_options=client_options | {"allow_http": unencrypted},
                retry_config=RETRIES,
            )

        super().__init__(open_store)

    def __repr__(self) -> str:
        return f"AzureStorage({self._container_name!r}, prefix={self._prefix!r})"
