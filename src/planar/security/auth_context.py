"""Who acts? The principal of the current request or run, and how it is written down with a run.

The context variable itself lies in `planar.context`, so that layers below can sign what they write without knowing this class.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import Token
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from planar.context import Actor, actor_var
from planar.security.errors import InvalidPrincipal, NoPrincipal

principal_var: Final = actor_var
"""The context variable that holds the principal. Use the functions below."""

# A principal is stored with every run that it starts; what would let somebody act in its place is not.
_TOKEN_CLAIMS = frozenset({"access_token", "id_token", "refresh_token", "client_secret", "password"})

_JSON_OBJECT: Final = TypeAdapter(dict[str, Any])


class Principal(BaseModel):
    """Somebody who is known to the app: the claims of an identity, unchangeable.

    ``sub`` is the identity's unique name. ``role`` may hold several roles, separated by commas (see ``roles``). Claims that
    have no field of their own stand in ``extra_claims``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True)

    sub: str = Field(min_length=1)
    iss: str | None = None
    exp: int | float | None = None
    iat: int | float | None = None
    sid: str | None = None
    jti: str | None = None
    org_id: str | None = None
    org_name: str | None = None
    user_first_name: str | None = None
    user_last_name: str | None = None
    user_email: str | None = None
    role: str | None = None
    permissions: tuple[str, ...] = ()
    extra_claims: dict[str, Any] = Field(default_factory=dict[str, Any])

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles that ``role`` names, in its order, each once."""
        names = (name.strip() for name in (self.role or "").split(","))
        return tuple(dict.fromkeys(name for name in names if name))

    @classmethod
    def from_jwt_payload(cls, payload: Mapping[str, Any]) -> Self:
        """The principal that a verified token speaks of.

        Args:
            payload: the token's claims. A claim without a field of its own goes to ``extra_claims``; tokens among the claims
                are left out.

        Raises:
            InvalidPrincipal: (a ValueError) ``sub`` is missing or empty, or a claim has another type; the message names the
                claims and never shows their values.
        """
        if not payload.get("sub"):
            raise InvalidPrincipal("The token's claims have no `sub`, which names the identity.")
        known = {name: value for name, value in payload.items() if name in _CLAIM_FIELDS and value is not None}
        extra = {name: value for name, value in payload.items() if name not in _CLAIM_FIELDS and name not in _TOKEN_CLAIMS}
        return cls.from_fields({**known, "extra_claims": extra})

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Self:
        """The principal of these fields, by name.

        Raises:
            InvalidPrincipal: a field is unknown, missing or of another type; the message names it and shows no value.
        """
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            wrong = sorted({str(detail["loc"][0]) if detail["loc"] else "?" for detail in error.errors(include_input=False)})
            raise InvalidPrincipal(f"These claims do not make a principal; see {', '.join(wrong)}.") from None


_CLAIM_FIELDS = frozenset(Principal.model_fields) - {"extra_claims"}


def get_current_principal() -> Principal | None:
    """Who acts in the current task; None if nobody was named."""
    actor = actor_var.get()
    return actor if isinstance(actor, Principal) else None


def require_principal() -> Principal:
    """Who acts in the current task.

    Raises:
        NoPrincipal: (a RuntimeError) nobody was named.
    """
    principal = get_current_principal()
    if principal is None:
        raise NoPrincipal
    return principal


def has_role(role: str) -> bool:
    """Whether somebody acts who has this role."""
    principal = get_current_principal()
    return principal is not None and role in principal.roles


def set_principal(principal: Principal | None) -> Token[Actor | None]:
    """Make *principal* the one who acts in the current task, and in tasks that it starts from now on.

    Returns:
        What `clear_principal` needs to restore who acted before.
    """
    return actor_var.set(principal)


def clear_principal(token: Token[Actor | None]) -> None:
    """Restore who acted before the `set_principal` that returned *token*."""
    actor_var.reset(token)


@contextmanager
def as_principal(principal: Principal | None) -> Generator[Principal | None, None, None]:
    """Act as *principal* inside a ``with`` block (as nobody, if None)."""
    token = set_principal(principal)
    try:
        yield principal
    finally:
        clear_principal(token)


def dump_principal(actor: Actor | None) -> str | None:
    """*actor* as JSON text, to be stored with a run; None for nobody.

    Raises:
        InvalidPrincipal: the actor is not a `Principal`, or one of its claims cannot be written as JSON.
    """
    if actor is None:
        return None
    if not isinstance(actor, Principal):
        raise InvalidPrincipal(f"A run can be started by a Principal, not by a {type(actor).__name__}.")
    try:
        return actor.model_dump_json(exclude_defaults=True)
    except ValueError as error:
        raise InvalidPrincipal(f"The principal {actor.sub!r} has a claim that cannot be stored as JSON: {error}") from error


def load_principal(text: str) -> Principal:
    """The principal that `dump_principal` wrote.

    Fields that this version does not know are left out, so that the versions before and after it can share runs.

    Raises:
        InvalidPrincipal: the text is not such a principal.
    """
    try:
        stored = _JSON_OBJECT.validate_json(text)
    except ValidationError:
        raise InvalidPrincipal("What is stored as the run's principal is not a JSON object.") from None
    return Principal.from_fields({name: value for name, value in stored.items() if name in Principal.model_fields})
