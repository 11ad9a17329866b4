"""Which address lets its bearer do one thing to one object of S3, for a while? Pure: Signature Version 4 in the query of a URL."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from urllib.parse import quote, urlsplit

_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who signs. Only the key's own name is ever shown."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Signer:
    """What is the same for all addresses of one bucket.

    Attributes:
        credentials: who signs.
        region: where the bucket is.
        base_url: the address of the service, without the bucket, as ``https://s3.eu-west-1.amazonaws.com``.
        bucket: its name; it becomes the first part of the path.
    """

    credentials: Credentials
    region: str
    base_url: str = field(repr=False)
    bucket: str

    def url(
        self,
        method: str,
        key: str,
        now: datetime,
        ttl_seconds: int,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> str:
        """An address for one request, valid from *now* for *ttl_seconds*.

        Args:
            method: the request's, in capitals.
            key: of the object; empty for the bucket itself.
            now: the time, in UTC.
            ttl_seconds: 1 to seven days.
            query: more parameters of the address, signed as well.
            headers: headers that the request has to send exactly so; names in lower case.
        """
        base = urlsplit(self.base_url)
        path = _quoted(f"{base.path.rstrip('/')}/{self.bucket}" + (f"/{key}" if key else ""), "/")
        signed = dict(sorted({"host": base.netloc.rpartition("@")[2], **(headers or {})}.items()))
        scope = f"{now:%Y%m%d}/{self.region}/s3/aws4_request"
        parameters = dict(query or {}) | self._parameters(scope, now, ttl_seconds, signed)
        canonical_query = "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in sorted(parameters.items()))
        sent = [f"{name}:{value}" for name, value in signed.items()]
        request = "\n".join([method, path, canonical_query, *sent, "", ";".join(signed), "UNSIGNED-PAYLOAD"])
        to_sign = "\n".join([_ALGORITHM, f"{now:%Y%m%dT%H%M%SZ}", scope, sha256(request.encode()).hexdigest()])
        signature = hmac.new(self._key(now), to_sign.encode(), sha256).hexdigest()
        return f"{base.scheme}://{signed['host']}{path}?{canonical_query}&X-Amz-Signature={signature}"

    def _parameters(self, scope: str, now: datetime, ttl_seconds: int, signed: Mapping[str, str]) -> dict[str, str]:
        token = self.credentials.session_token
        return {
            "X-Amz-Algorithm": _ALGORITHM,
            "X-Amz-Credential": f"{self.credentials.access_key_id}/{scope}",
            "X-Amz-Date": f"{now:%Y%m%dT%H%M%SZ}",
            "X-Amz-Expires": str(ttl_seconds),
            "X-Amz-SignedHeaders": ";".join(signed),
        } | ({"X-Amz-Security-Token": token} if token else {})

    def _key(self, now: datetime) -> bytes:
        key = f"AWS4{self.credentials.secret_access_key}".encode()
        for part in (f"{now:%Y%m%d}", self.region, "s3", "aws4_request"):
            key = hmac.new(key, part.encode(), sha256).digest()
        return key


def _quoted(text: str, safe: str = "") -> str:
    return quote(text, safe=f"{safe}-_.~")
