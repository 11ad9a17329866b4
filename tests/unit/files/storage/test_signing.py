"""Signatures are those of the service's own library."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import botocore.auth
import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as TheirCredentials

from planar.files.storage.signing import Credentials, Signer

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
KEY, SECRET, TOKEN = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "token/with+signs=="


@pytest.fixture(autouse=True)
def their_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_args, **_options: NOW)


def signer(token: str | None, base_url: str = "https://s3.eu-west-1.amazonaws.com") -> Signer:
    return Signer(Credentials(KEY, SECRET, token), "eu-west-1", base_url, "my.bucket")


NAMED = "attachment; filename=\"a_.pdf\"; filename*=UTF-8''%C3%A4.pdf"

CASES = [
    ("GET", {}, {}),
    ("GET", {"response-content-disposition": NAMED, "response-content-type": "a/b"}, {}),
    ("PUT", {}, {"content-type": "text/plain; charset=utf-8"}),
    ("GET", {"uploads": "", "prefix": "a/b c~*'()"}, {}),
]  # fmt: skip


@pytest.mark.parametrize(("method", "query", "headers"), CASES)
@pytest.mark.parametrize("token", [None, TOKEN])
@pytest.mark.parametrize("base_url", ["https://s3.eu-west-1.amazonaws.com", "http://localhost:9000", "https://h/above"])
def test_an_address_is_signed_as_by_the_services_own_library(
    method: str, query: dict[str, str], headers: dict[str, str], token: str | None, base_url: str
) -> None:
    ours = signer(token, base_url).url(method, "files/a b", NOW, 900, query, headers)
    request = AWSRequest(method, f"{base_url}/my.bucket/files/a%20b", headers=headers, params=query)
    S3SigV4QueryAuth(TheirCredentials(KEY, SECRET, token), "s3", "eu-west-1", expires=900).add_auth(request)
    theirs = request.url
    assert urlsplit(ours)[:3] == urlsplit(theirs)[:3]
    assert parse_qs(urlsplit(ours).query, keep_blank_values=True) == parse_qs(urlsplit(theirs).query, keep_blank_values=True)


@pytest.mark.parametrize("token", [None, TOKEN])
def test_a_request_is_signed_as_by_the_services_own_library(token: str | None) -> None:
    url, headers = signer(token).request("DELETE", "key", NOW, {"uploadId": "a/b+c"})
    request = AWSRequest("DELETE", "https://s3.eu-west-1.amazonaws.com/my.bucket/key", params={"uploadId": "a/b+c"})
    S3SigV4Auth(TheirCredentials(KEY, SECRET, token), "s3", "eu-west-1").add_auth(request)
    assert headers["authorization"] == request.headers["Authorization"]
    assert headers["x-amz-date"] == request.headers["X-Amz-Date"]
    assert url == "https://s3.eu-west-1.amazonaws.com/my.bucket/key?uploadId=a%2Fb%2Bc"


def test_credentials_in_the_address_of_the_service_go_into_no_signed_one() -> None:
    one = signer(None, "http://me:geheim@h:9000")
    assert one.url("GET", "key", NOW, 1).startswith("http://h:9000/my.bucket/key?")
    assert one.request("GET", "", NOW, {})[1]["host"] == "h:9000"


def test_no_representation_shows_a_secret() -> None:
    shown = repr(signer(TOKEN, "http://me:geheim@h"))
    assert KEY in shown
    for secret in (SECRET, TOKEN, "geheim"):
        assert secret not in shown
