"""One binding for a request: services, who asks, and a database session that opens at first use."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from planar.context import Services, bind_services
from planar.db.manager import DatabaseManager
from planar.db.session import SessionScope, bind_session
from planar.errors import PlanarError
from planar.routers.problems import problem_for
from planar.security.auth_context import as_principal
from planar.security.authenticator import Authenticator


class BindingMiddleware:
    """Makes the app's parts, the principal and a lazy session those of the request's task, and ends them with it."""

    def __init__(self, app: ASGIApp, services: Services) -> None:
        self.app = app
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        with bind_services(self._services):
            try:
                client = scope.get("client")
                authenticator = self._services.get(Authenticator)
                principal = await authenticator.authenticate(Headers(scope=scope), client[0] if client else None)
            except PlanarError as error:
                await problem_for(error, scope)(scope, receive, send)
                return
            session = SessionScope(self._services.get(DatabaseManager), label=f"{scope.get('method', 'WS')} {scope['path']}")
            session.is_request = True
            try:
                with as_principal(principal), bind_session(session):
                    await self.app(scope, receive, send)
            finally:
                await session.close()
