"""How is S3 used, and what speaks its protocol?"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from planar import lazy
from planar.clock import SYSTEM_CLOCK, Clock
from planar.files.filenames import clean_filename, content_disposition
from planar.files.storage.base import DEFAULT_URL_TTL_SECONDS
from planar.files.storage.checks import checked_mime_type, checked_moment, checked_prefix, checked_ref, checked_ttl
from planar.files.storage.object_store import RETRIES, ObjectStorage
from planar.files.storage.signing import Credentials, Signer
from planar.files.storage.unfinished import abort_uploads
from planar.logging import get_logger

logger = get_logger(__name__)

DEFAULT_REGION = "us-east-1"


class S3Storage(ObjectStorage):
    """Keeps files in a bucket of S3, or of a service that speaks its protocol.

    Args:
        bucket_name: the bucket, which exists already.
        region: where it is; by default the environment's ``AWS_REGION``, else us-east-1.
        endpoint_url: the address of another service; one that begins with ``http://`` is used without encryption.
        access_key_id: who asks; by default the environment's, else the role of the machine or the pod.
        secret_access_key: the key that belongs to it.
        session_token: its token, if it is a temporary one.
        boto_config: ignored, with a warning; applications pass it that were written for boto3.
        presigned_url_ttl: for how many seconds what `external_url` gives is valid, seven days at most.
        prefix: what the key of each object begins with, as ``files/``.
        clock: the time of signatures.

    Addresses that state a file's name or type, and `sweep`, need the key itself: with a role there are no such addresses
    (`download_url` gives None), and a lifecycle rule of the bucket has to remove uploads that were not completed.
    """

    def __init__(
        self,
        bucket_name: str,
        region: str | None = None,
        endpoint_url: str | None = None,
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
        session_token: str | None = None,
        boto_config: Any = None,
        presigned_url_ttl: int = DEFAULT_URL_TTL_SECONDS,
        *,
        prefix: str = "",
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        if boto_config is not None:
            warnings.warn("boto_config has no effect: Planar does not use boto3. Leave it out.", stacklevel=2)
        if (access_key_id is None) != (secret_access_key is None):
            raise ValueError("Give access_key_id and secret_access_key together, or neither.")
        self.url_ttl_seconds = checked_ttl(presigned_url_ttl)
        self._bucket_name = bucket_name
        self._prefix = checked_prefix(prefix)
        self._clock = clock
        region = region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or DEFAULT_REGION
        credentials = (
            Credentials(access_key_id, secret_access_key, session_token)
            if access_key_id is not None and secret_access_key is not None
            else credentials_from(os.environ)
        )
        base_url = (endpoint_url or f"https://s3.{region}.amazonaws.com").rstrip("/")
        self._signer = None if credentials is None else Signer(credentials, region, base_url, bucket_name)

        def open_store(client_options: dict[str, Any]) -> Any:
            return lazy.obstore().store.S3Store(
                bucket_name,
                prefix=self._prefix or None,
                config=_config(region, endpoint_url, credentials),
                client_options=client_options | {"allow_http": base_url.startswith("http://")},
                retry_config=RETRIES,
            )

        super().__init__(open_store)

    def __repr__(self) -> str:
        return f"S3Storage({self._bucket_name!r}, prefix={self._prefix!r})"

    async def sweep(self, older_than: datetime) -> int:
        checked_moment(older_than)
        if self._signer is None:
            logger.info("uploads that were not completed are left to the bucket's lifecycle rule: the storage signs by a role")
            return 0
        return await abort_uploads(self._signer, self._clock, self._prefix, older_than)

    async def download_url(self, ref: str, *, ttl_seconds: int, filename: str | None = None, content_type: str | None = None) -> str | None:
        if self._signer is None:
            return await super().download_url(ref, ttl_seconds=ttl_seconds, filename=filename, content_type=content_type)
        stated: dict[str, str] = {}
        if filename is not None:
            stated["response-content-disposition"] = content_disposition(clean_filename(filename))
        checked_mime_type(content_type)
        if content_type is not None:
            stated["response-content-type"] = content_type
        return self._signer.url("GET", self._key(ref), self._clock.now(), checked_ttl(ttl_seconds), stated)

    async def upload_url(self, ref: str, *, ttl_seconds: int, content_type: str | None = None, size: int | None = None) -> str | None:
        """As the port says; the PUT has to send exactly this ``Content-Type`` and ``Content-Length``, where they are given.

        With a role instead of a key neither is signed.
        """
        if self._signer is None:
            return await super().upload_url(ref, ttl_seconds=ttl_seconds)
        checked_mime_type(content_type)
        stated = {"content-type": content_type, "content-length": None if size is None else str(size)}
        sent = {name: value for name, value in stated.items() if value is not None}
        return self._signer.url("PUT", self._key(ref), self._clock.now(), checked_ttl(ttl_seconds), headers=sent)

    def _key(self, ref: str) -> str:
        return f"{self._prefix}{checked_ref(ref)}"


def credentials_from(environment: Mapping[str, str]) -> Credentials | None:
    """The key that *environment* names, by the variables that every tool for AWS reads; None if it names none."""
    key, secret = environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY")
    return Credentials(key, secret, environment.get("AWS_SESSION_TOKEN")) if key and secret else None


def _config(region: str, endpoint_url: str | None, credentials: Credentials | None) -> dict[str, Any]:
    config: dict[str, Any] = {"region": region, "virtual_hosted_style_request": False}
    if endpoint_url is not None:
        config["endpoint"] = endpoint_url
    if credentials is not None:
        config |= {"access_key_id": credentials.access_key_id, "secret_access_key": credentials.secret_access_key}
        if credentials.session_token:
            config["session_token"] = credentials.session_token
    return config
