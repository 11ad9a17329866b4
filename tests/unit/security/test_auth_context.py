from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from pydantic import ValidationError

from planar.context import actor_var
from planar.errors import PlanarError
from planar.security import (
    Principal,
    SecurityContext,
    as_principal,
    clear_principal,
    get_current_principal,
    has_role,
    require_principal,
    set_principal,
)
from planar.security.auth_context import dump_principal, load_principal, principal_var
from planar.security.errors import InvalidPrincipal, NoPrincipal

pytestmark = pytest.mark.anyio

CLAIMS: dict[str, Any] = {
    "sub": "u-1",
    "iss": "https://issuer.example",
    "exp": 1_800_000_000,
    "iat": 1_700_000_000.5,
    "sid": "s-1",
    "jti": "j-1",
    "org_id": "o-1",
    "org_name": "Org",
    "user_first_name": "Ann",
    "user_last_name": "Lee",
    "user_email": "ann@example.org",
    "role": "admin",
    "permissions": ["a", "b"],
    "department": {"id": 7},
    "aud": ["planar"],
}


def test_claims_become_fields_and_the_others_are_kept_apart() -> None:
    principal = Principal.from_jwt_payload(CLAIMS)

    assert (principal.sub, principal.exp, principal.iat, principal.user_email) == ("u-1", 1_800_000_000, 1_700_000_000.5, "ann@example.org")
    assert principal.permissions == ("a", "b")
    assert principal.extra_claims == {"department": {"id": 7}, "aud": ["planar"]}


@pytest.mark.parametrize("payload", [{}, {"sub": None}, {"sub": ""}, {"role": "admin"}])
def test_claims_without_a_subject_are_a_value_error(payload: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no `sub`") as caught:
        Principal.from_jwt_payload(payload)
    assert isinstance(caught.value, PlanarError)
    assert caught.value.status == 401


def test_a_claim_of_another_type_is_named_and_not_shown() -> None:
    with pytest.raises(InvalidPrincipal, match="see org_id") as caught:
        Principal.from_jwt_payload({"sub": "u-1", "org_id": ["hunter2"]})
    assert "hunter2" not in str(caught.value)


def test_claims_that_are_null_count_as_absent() -> None:
    assert Principal.from_jwt_payload({"sub": "u-1", "permissions": None, "role": None}).permissions == ()


def test_a_principal_cannot_be_changed_and_takes_no_unknown_field() -> None:
    principal = Principal(sub="u-1")
    with pytest.raises(ValidationError):
        principal.role = "admin"  # type: ignore[misc]  (that it is refused is the claim)
    with pytest.raises(ValidationError):
        Principal(sub="u-1", roles=["admin"])  # type: ignore[call-arg]  (that it is refused is the claim)


@pytest.mark.parametrize(
    ("role", "roles"), [(None, ()), ("", ()), ("admin", ("admin",)), (" admin , reviewer,admin,", ("admin", "reviewer"))]
)
def test_roles_are_those_that_the_claim_lists(role: str | None, roles: tuple[str, ...]) -> None:
    assert Principal(sub="u-1", role=role).roles == roles


def test_nobody_acts_until_somebody_is_named() -> None:
    assert get_current_principal() is None
    assert not has_role("admin")
    assert SecurityContext.get_current_user() == "system"
    with pytest.raises(RuntimeError, match="as_principal"):
        require_principal()
    assert NoPrincipal.status == 401


def test_as_principal_names_somebody_for_a_block_and_restores_who_acted_before() -> None:
    ann, bob = Principal(sub="ann", role="admin,reviewer"), Principal(sub="bob")
    with as_principal(ann):
        assert require_principal() is ann
        assert has_role("reviewer")
        assert not has_role("admin,reviewer")
        assert SecurityContext.get_current_user() == "ann"
        with pytest.raises(LookupError), as_principal(bob):
            assert get_current_principal() is bob
            raise LookupError
        assert get_current_principal() is ann
        with as_principal(None):
            assert get_current_principal() is None
    assert get_current_principal() is None


def test_set_and_clear_work_as_a_pair_on_the_variable_of_the_ground() -> None:
    token = set_principal(Principal(sub="ann"))
    assert principal_var is actor_var
    assert actor_var.get() == Principal(sub="ann")
    clear_principal(token)
    assert actor_var.get() is None


async def test_two_requests_at_once_do_not_see_each_others_principal() -> None:
    meeting = asyncio.Barrier(2)

    async def request(name: str) -> str:
        with as_principal(Principal(sub=name)):
            await meeting.wait()
            return require_principal().sub

    assert await asyncio.gather(request("ann"), request("bob")) == ["ann", "bob"]


def test_a_principal_survives_being_stored_with_a_run() -> None:
    principal = Principal.from_jwt_payload(CLAIMS)

    text = dump_principal(principal)

    assert text is not None
    assert load_principal(text) == principal
    assert dump_principal(None) is None


def test_tokens_among_the_claims_are_never_stored() -> None:
    principal = Principal.from_jwt_payload({**CLAIMS, "access_token": "hunter2", "refresh_token": "hunter2"})

    assert "hunter2" not in (dump_principal(principal) or "")


def test_a_field_that_a_later_version_stored_is_left_out() -> None:
    assert load_principal(json.dumps({"sub": "u-1", "tenant": "t-1"})) == Principal(sub="u-1")


@pytest.mark.parametrize("text", ["", "null", "[]", "{}", '{"sub": 1}'])
def test_what_is_not_a_stored_principal_is_refused(text: str) -> None:
    with pytest.raises(InvalidPrincipal):
        load_principal(text)


def test_only_a_principal_can_be_stored_and_only_with_claims_that_are_json() -> None:
    class Somebody:
        sub = "x"
        user_email = None

    with pytest.raises(InvalidPrincipal, match="not by a Somebody"):
        dump_principal(Somebody())
    with pytest.raises(InvalidPrincipal, match="cannot be stored as JSON"):
        dump_principal(Principal(sub="u-1", extra_claims={"odd": object()}))
