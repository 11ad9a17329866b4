"""Who asks, and may they?"""

from __future__ import annotations

from planar.security.auth_context import (
    Principal,
    as_principal,
    clear_principal,
    get_current_principal,
    has_role,
    require_principal,
    set_principal,
)
from planar.security.authenticator import Authenticator
from planar.security.authorization import Authorizer, validate_authorization_for
from planar.security.security_context import SYSTEM_USER, SecurityContext

__all__ = [
    "SYSTEM_USER",
    "Authenticator",
    "Authorizer",
    "Principal",
    "SecurityContext",
    "as_principal",
    "clear_principal",
    "get_current_principal",
    "has_role",
    "require_principal",
    "set_principal",
    "validate_authorization_for",
]
