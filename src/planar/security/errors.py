"""What can go wrong between a caller and what it may do.

::

    PlanarError
    └── SecurityError
        ├── Unauthenticated      401  nobody is known, and the action is not for everybody
        │   └── NoPrincipal           code asked for a principal where nobody acts (also RuntimeError)
        ├── Forbidden            403  somebody is known, and may not
        │   └── DevUserRefused        a development header that came from elsewhere than this machine
        ├── InvalidPrincipal     401  claims that do not make a principal (also ValueError)
        ├── MalformedDevUser     400  the development header is not of its shape (also ValueError)
        ├── ActionMismatch       500  an action that its resource does not have (also ValueError)
        └── RouteWithoutAction   500  a route that does not say what it needs (also TypeError)
"""

from __future__ import annotations

from planar.errors import PlanarError


class SecurityError(PlanarError):
    """Access could not be decided."""

    code = "security_error"


class Unauthenticated(SecurityError):
    """Not authenticated."""

    code = "not_authenticated"
    status = 401


class NoPrincipal(Unauthenticated, RuntimeError):
    """Nobody acts here. Name somebody with `as_principal`, or call this from a request or a run that has a principal."""

    code = "no_principal"


class Forbidden(SecurityError):
    """Not authorized to perform this action."""

    code = "not_authorized"
    status = 403


class DevUserRefused(Forbidden):
    """A user of the development server can be chosen from this machine only."""

    code = "dev_user_refused"


class InvalidPrincipal(SecurityError, ValueError):
    """These claims do not make a principal."""

    code = "invalid_principal"
    status = 401


class MalformedDevUser(SecurityError, ValueError):
    """The header that chooses a user of the development server is not of its shape."""

    code = "malformed_dev_user"
    status = 400


class ActionMismatch(SecurityError, ValueError):
    """The action does not belong to this kind of resource."""

    code = "action_mismatch"


class RouteWithoutAction(SecurityError, TypeError):
    """A route does not say which action it needs."""

    code = "route_without_action"
