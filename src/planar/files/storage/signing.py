"""How does a request prove to S3 who makes it, and how does an address let its bearer make one? Pure: Signature Version 4."""

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
        parts = urlsplit(self.base_url)
        signed = dict(sorted({"host": self._host(), **(headers or {})}.items()))
        parameters = dict(query or {}) | self._parameters(now, ttl_seconds, signed)
        canonical_query = _query(parameters)
        signature = self._signature(method, self._path(key), canonical_query, signed, "UNSIGNED-PAYLOAD", now)
        return f"{parts.scheme}://{signed['host']}{self._path(key)}?{canonical_query}&X-Amz-Signature={signature}"

    def request(self, method: str, key: str, now: datetime, query: Mapping[str, str]) -> tuple[str, dict[str, str]]:
        """Address and headers of one request without a body. The address alone allows nothing, so that it may appear in logs."""
        parts = urlsplit(self.base_url)
        token = self.credentials.session_token
        headers = {"host": self._host(), "x-amz-content-sha256": sha256().hexdigest(), "x-amz-date": _moment(now)}
        headers |= {"x-amz-security-token": token} if token else {}
        signature = self._signature(method, self._path(key), _query(query), headers, headers["x-amz-content-sha256"], now)
        credential = f"{self.credentials.access_key_id}/{self._scope(now)}"
        headers["authorization"] = f"{_ALGORITHM} Credential={credential}, SignedHeaders={';'.join(headers)}, Signature={signature}"
        return f"{parts.scheme}://{headers['host']}{self._path(key)}?{_query(query)}", headers

    def _host(self) -> str:
        return urlsplit(self.base_url).netloc.rpartition("@")[2]

    def _path(self, key: str) -> str:
        above = urlsplit(self.base_url).path.rstrip("/")
        return _quoted(f"{above}/{self.bucket}" + (f"/{key}" if key else ""), "/")

    def _scope(self, now: datetime) -> str:
        return f"{now:%Y%m%d}/{self.region}/s3/aws4_request"

    def _signature(self, method: str, path: str, query: str, headers: Mapping[str, str], payload: str, now: datetime) -> str:
        """What proves that the holder of the key made this request. *headers* are in the order of their names."""
        sent = [f"{name}:{value}" for name, value in headers.items()]
        request = "\n".join([method, path, query, *sent, "", ";".join(headers), payload])
        to_sign = "\n".join([_ALGORITHM, _moment(now), self._scope(now), sha256(request.encode()).hexdigest()])
        return hmac.new(self._key(now), to_sign.encode(), sha256).hexdigest()

    def _parameters(self, now: datetime, ttl_seconds: int, signed: Mapping[str, str]) -> dict[str, str]:
        token = self.credentials.session_token
        return {
            "X-Amz-Algorithm": _ALGORITHM,
            "X-Amz-Credential": f"{self.credentials.access_key_id}/{self._scope(now)}",
            "X-Amz-Date": _moment(now),
            "X-Amz-Expires": str(ttl_seconds),
            "X-Amz-SignedHeaders": ";".join(signed),
        } | ({"X-Amz-Security-Token": token} if token else {})

    def _key(self, now: datetime) -> bytes:
        key = f"AWS4{self.credentials.secret_access_key}".encode()
        for part in (f"{now:%Y%m%d}", self.region, "s3", "aws4_request"):
            key = hmac.new(key, part.encode(), sha256).digest()
        return key


def _moment(now: datetime) -> str:
    return f"{now:%Y%m%dT%H%M%SZ}"


def _query(parameters: Mapping[str, str]) -> str:
    return "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in sorted(parameters.items()))


def _quoted(text: str, safe: str = "") -> str:
    return quote(text, safe=f"{safe}-_.~")
