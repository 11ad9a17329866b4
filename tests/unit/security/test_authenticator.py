from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from planar.security import Principal
from planar.security.authenticator import DevUser, Nobody, is_loopback, parse_dev_user
from planar.security.errors import DevUserRefused, MalformedDevUser

pytestmark = pytest.mark.anyio


async def test_nobody_is_known_whatever_the_request_says() -> None:
    assert await Nobody().authenticate({"X-Planar-Dev-User": "ann;admin"}, "127.0.0.1") is None


async def test_a_request_without_the_header_comes_from_nobody_wherever_it_comes_from() -> None:
    assert await DevUser().authenticate({"host": "x"}, "203.0.113.9") is None


@pytest.mark.parametrize("name", ["X-Planar-Dev-User", "x-planar-dev-user"])
@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.0.1", "::1", "::ffff:127.0.0.1"])
async def test_from_this_machine_the_header_says_who_it_is(name: str, host: str) -> None:
    principal = await DevUser().authenticate({name: "ann@example.org; admin, reviewer"}, host)

    assert principal == Principal(sub="ann@example.org", iss="planar-dev", user_email="ann@example.org", role="admin,reviewer")
    assert principal.roles == ("admin", "reviewer")


@pytest.mark.parametrize("host", [None, "", "203.0.113.9", "192.168.0.2", "::ffff:10.0.0.1", "localhost", "testclient", "127.0.0.1.evil"])
async def test_from_elsewhere_the_header_is_refused_and_not_ignored(host: str | None) -> None:
    with pytest.raises(DevUserRefused) as caught:
        await DevUser().authenticate({"x-planar-dev-user": "ann;admin"}, host)
    assert caught.value.status == 403


@pytest.mark.parametrize("proxy", ["Forwarded", "X-Forwarded-For", "x-real-ip"])
async def test_through_a_proxy_on_this_machine_the_header_is_refused(proxy: str) -> None:
    with pytest.raises(DevUserRefused):
        await DevUser().authenticate({"x-planar-dev-user": "ann", proxy: "127.0.0.1"}, "127.0.0.1")


async def test_two_headers_are_refused_instead_of_one_being_chosen() -> None:
    headers = Headers(raw=[(b"x-planar-dev-user", b"ann"), (b"x-planar-dev-user", b"bob;admin")])

    with pytest.raises(MalformedDevUser, match="once"):
        await DevUser().authenticate(headers, "127.0.0.1")


@pytest.mark.parametrize("text", ["ann", "ann;", " ann ; "])
def test_a_user_may_have_no_roles(text: str) -> None:
    assert parse_dev_user(text) == Principal(sub="ann", iss="planar-dev")


@pytest.mark.parametrize(
    "text",
    ["", ";", ";admin", "ann;admin;x", "ann;admin,,x", "ann;,", "ann;ad min", "ann,bob;x", "a\x00b", "a\nb", "a" * 600, "ann;" + "r" * 600],
)
def test_another_shape_is_an_error_that_shows_the_right_one(text: str) -> None:
    with pytest.raises(MalformedDevUser, match="sub;role,role") as caught:
        parse_dev_user(text)
    assert caught.value.status == 400


def test_an_unknown_address_is_not_loopback() -> None:
    assert not is_loopback(None)
    assert is_loopback("::1")
