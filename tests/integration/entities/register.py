"""An app that serves a few entities, asked over HTTP as one person or another."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, ClassVar
from uuid import UUID

import httpx2 as httpx
from sqlalchemy import JSON, Column, LargeBinary, MetaData
from sqlalchemy import Enum as EnumColumn
from sqlalchemy.orm import registry

from planar import PlanarApp
from planar.modeling.entity_options import EntityOptions
from planar.modeling.field_helpers import Hidden, ReadOnly
from planar.modeling.mixins import SoftDeleteMixin, TimestampMixin
from planar.modeling.orm import Field, PlanarBaseEntity
from planar.security.auth_context import Principal
from tests.databases import Databases

V1 = "/planar/v1/entities"
CALLER = "x-caller"
"""The header by which a request of these tests says who sends it."""


class Shade(Enum):
    LIGHT = "light"
    DARK = "dark"


class Registered(PlanarBaseEntity, registry=registry(metadata=MetaData())):
    """Keeps these tables apart from those of other tests."""


class Shelf(Registered, table=True):
    __tablename__ = "register_shelf"

    name: str = Field(unique=True, max_length=50)
    secret: Annotated[str, Hidden] = "none of your business"


class Item(Registered, TimestampMixin, table=True):
    __tablename__ = "register_item"

    code: str = Field(unique=True)
    title: str | None = None
    amount: Decimal = Field(default=Decimal(0), max_digits=12, decimal_places=2)
    exact: Decimal | None = None
    count: int = 0
    ratio: float | None = None
    active: bool = True
    shade: Shade = Field(default=Shade.LIGHT, sa_column=Column(EnumColumn(Shade, native_enum=False), nullable=False))
    day: date | None = None
    hour: time | None = None
    moment: datetime | None = None
    span: timedelta | None = None
    other: UUID | None = None
    raw: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    data: dict[str, Any] | None = Field(default=None, sa_column=Column(JSON(none_as_null=True)))
    made: Annotated[str, ReadOnly] = "here"
    shelf_id: UUID | None = Field(default=None, foreign_key="register_shelf.id")


class Slip(Registered, SoftDeleteMixin, table=True):
    __tablename__ = "register_slip"
    entity_options: ClassVar[EntityOptions] = EntityOptions(soft_delete=True)

    text: str


class Scrap(Registered, table=True):
    __tablename__ = "register_scrap"
    entity_options: ClassVar[EntityOptions] = EntityOptions(history=False)

    text: str


class Sealed(Registered, table=True):
    __tablename__ = "register_sealed"
    entity_options: ClassVar[EntityOptions] = EntityOptions(read_only=True)

    text: str = ""


ENTITIES = (Shelf, Item, Slip, Scrap, Sealed)


class ByHeader:
    """Believes whoever a request says sends it."""

    async def authenticate(self, headers: Any, _host: str | None) -> Principal | None:
        name = headers.get(CALLER)
        return None if name is None else Principal(sub=name, user_email=f"{name}@example.org")


class Register:
    """The app, and a client of it."""

    def __init__(self, app: PlanarApp, client: httpx.AsyncClient) -> None:
        self.app = app
        self.client = client

    async def get(self, path: str, **params: Any) -> httpx.Response:
        return await self.client.get(V1 + path, params=params)

    async def post(self, path: str, content: Any, **params: Any) -> httpx.Response:
        return await self.client.post(V1 + path, content=content, params=params)

    async def stored(self, *rows: Any) -> None:
        """Store rows, each with its flush, so that their changes have an order."""
        async with self.app.db_manager.get_session() as session:
            for row in rows:
                session.add(row)
                await session.flush()
            await session.commit()


OpenRegister = Callable[..., AbstractAsyncContextManager[Register]]


@asynccontextmanager
async def open_register(databases: Databases, prepare: Callable[[PlanarApp], object] | None = None) -> AsyncGenerator[Register]:
    app = PlanarApp(config=await databases.config()).use_authenticator(ByHeader())
    for entity in ENTITIES:
        app.register_entity(entity)
    if prepare is not None:
        prepare(app)
    transport = httpx.ASGITransport(app)
    client = httpx.AsyncClient(transport=transport, base_url="http://test", headers={CALLER: "ada"})
    async with app._lifespan(app.fastapi), client:
        await app.db_manager.migrate(application=[Registered.metadata])
        yield Register(app, client)
