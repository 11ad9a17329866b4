"""Who sends this request? One replaceable part of the app answers.

Two answers exist so far: nobody in particular, and, on a developer's machine, whoever the request says.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address
from typing import Final, Protocol

from planar.security.auth_context import Principal
from planar.security.errors import DevUserRefused, MalformedDevUser

DEV_USER_HEADER: Final = "X-Planar-Dev-User"
DEV_ISSUER: Final = "planar-dev"

_FORWARDING_HEADERS = frozenset({"forwarded", "x-forwarded-for", "x-real-ip"})
_SUBJECT = re.compile(r"[^\s;,](?:[^;,\x00-\x1f\x7f]*[^\s;,])?")
_ROLE = re.compile(r"[A-Za-z0-9_.:@/-]+")
_MAX_LENGTH = 512


class Authenticator(Protocol):
    """Tells who sends a request. The app finds it among its services, so that another can take its place."""

    async def authenticate(self, request_headers: Mapping[str, str], client_host: str | None) -> Principal | None:
        """The sender.

        Args:
            request_headers: the headers of the request; names in any case.
            client_host: the address at the other end of the connection, None where there is none (a UNIX socket).

        Returns:
            The principal, or None for nobody in particular.

        Raises:
            PlanarError: what the request says about its sender is wrong; the error's status becomes the answer.
        """
        ...


class Nobody:
    """Knows nobody, whatever a request says."""

    async def authenticate(self, request_headers: Mapping[str, str], client_host: str | None) -> Principal | None:
        return None


class DevUser:
    """Believes the header ``X-Planar-Dev-User: sub;role,role`` of requests from this machine. For development only.

    A request without the header comes from nobody. One with it is refused if it does not come from loopback, or came through a
    proxy, so that it is never taken for what it is not.
    """

    async def authenticate(self, request_headers: Mapping[str, str], client_host: str | None) -> Principal | None:
        given = [value for name, value in request_headers.items() if name.lower() == DEV_USER_HEADER.lower()]
        if not given:
            return None
        forwarded = any(name.lower() in _FORWARDING_HEADERS for name in request_headers)
        if forwarded or not is_loopback(client_host):
            raise DevUserRefused(f"{DEV_USER_HEADER} is honoured from this machine only: send the request to 127.0.0.1, without a proxy.")
        if len(given) > 1:
            raise MalformedDevUser(f"{DEV_USER_HEADER} may be given once.")
        return parse_dev_user(given[0])


def parse_dev_user(text: str) -> Principal:
    """The principal that the header's value names: ``ann``, ``ann;admin`` or ``ann@example.org;admin,reviewer``.

    Raises:
        MalformedDevUser: the value has another shape.
    """
    subject, _, roles = (part.strip() for part in text.partition(";"))
    names = [name.strip() for name in roles.split(",")] if roles else []
    if len(text) > _MAX_LENGTH or not _SUBJECT.fullmatch(subject) or not all(_ROLE.fullmatch(name) for name in names):
        raise MalformedDevUser(
            f"{DEV_USER_HEADER} has the shape `sub;role,role`, for example `ann;admin,reviewer`: one name, then roles of letters, "
            f"digits and _ . : @ / -, at most {_MAX_LENGTH} characters in all."
        )
    email = subject if "@" in subject else None
    return Principal(sub=subject, iss=DEV_ISSUER, user_email=email, role=",".join(names) or None)


def is_loopback(host: str | None) -> bool:
    """Whether *host* is an address of this machine's loopback interface. An unknown address is not."""
    try:
        address = ip_address(host or "")
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_loopback
