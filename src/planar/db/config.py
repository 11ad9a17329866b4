"""Where is the database? The settings of one connection, and the address that they make.

Three spellings, one meaning: a SQLite file, the parts of a PostgreSQL connection, or a URL.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias, cast

from pydantic import BaseModel, ConfigDict, Discriminator, Field, PlainSerializer, PlainValidator, SecretStr, Tag
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

SQLITE_DRIVER = "sqlite+aiosqlite"
POSTGRESQL_DRIVER = "postgresql+asyncpg"

_DRIVERS = {
    "sqlite": SQLITE_DRIVER,
    SQLITE_DRIVER: SQLITE_DRIVER,
    "postgres": POSTGRESQL_DRIVER,
    "postgresql": POSTGRESQL_DRIVER,
    POSTGRESQL_DRIVER: POSTGRESQL_DRIVER,
}
"""Every spelling that a URL may use, and the driver that serves it."""

_KINDS = {"sqlite": "sqlite", SQLITE_DRIVER: "sqlite", "postgresql": "postgresql", POSTGRESQL_DRIVER: "postgresql"}
"""Every ``driver`` that a connection given by its parts may name, and the section that it makes."""


class SQLiteConfig(BaseModel):
    """A SQLite file; ``path: ":memory:"`` is a private temporary one that ends with the app."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, defer_build=True)

    driver: Literal["sqlite", "sqlite+aiosqlite"] = "sqlite+aiosqlite"
    path: str | Path = Field(min_length=1)
    strict: bool = False

    def connection_url(self) -> URL:
        """The address for SQLAlchemy, with the asynchronous driver."""
        return URL.create(SQLITE_DRIVER, database=str(self.path))


ENGINE_CONNECTIONS = 2
"""What the engine has on PostgreSQL beside those that read."""


class PoolConfig(BaseModel):
    """How many PostgreSQL connections one process keeps, and for how long."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, defer_build=True)

    size: int = Field(default=10, ge=1)
    """Connections that sessions keep."""
    max_overflow: int = Field(default=10, ge=0)
    timeout_seconds: float = Field(default=30, gt=0)
    recycle_seconds: float = Field(default=1800, gt=0)
    idle_in_transaction_seconds: float = Field(default=60, gt=0)
    """A transaction in which nothing happens for so long is ended by the server."""
    engine_size: int = Field(default=4, ge=2)
    """Connections on which the engine reads, at most. It has two more: one that writes, and one that hears of other processes."""

    def most_connections(self) -> int:
        """How many connections one process may hold at once."""
        return self.size + self.max_overflow + self.engine_size + ENGINE_CONNECTIONS


class PostgreSQLConfig(BaseModel):
    """The parts of a PostgreSQL connection. ``db`` must be given, though it may be null (the server's default)."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, defer_build=True)

    driver: Literal["postgresql", "postgresql+asyncpg"] = "postgresql+asyncpg"
    host: str | None = None
    port: int | None = Field(default=None, ge=1, le=65535)
    user: str | None = None
    password: SecretStr | None = None
    db: str | None
    pool: PoolConfig = Field(default_factory=PoolConfig)

    def connection_url(self) -> URL:
        """The address for SQLAlchemy, with the asynchronous driver. It holds the password; its text form masks it."""
        return URL.create(
            POSTGRESQL_DRIVER,
            username=self.user,
            password=self.password.get_secret_value() if self.password is not None else None,
            host=self.host,
            port=self.port,
            database=self.db,
        )


def database_url(value: object) -> URL:
    """A URL, as text or as a SQLAlchemy ``URL``, with the asynchronous driver of its database.

    Raises:
        ValueError: it is no URL, or its database is not one of SQLite and PostgreSQL. The text is not repeated: it may
            hold a password.
    """
    try:
        url = make_url(cast("str | URL", value))
    except (ArgumentError, ValueError):
        raise ValueError("not a database URL; write sqlite:///file.db or postgresql://user:password@host/name") from None
    driver = _DRIVERS.get(url.drivername)
    if driver is None:
        raise ValueError(f"no database is known as {url.drivername!r}; use one of {', '.join(_DRIVERS)}")
    if "password" in url.query:
        raise ValueError("a password among the parameters would be printed; write user:password@host")
    return url.set(drivername=driver)


def _masked(url: URL) -> str:
    return url.render_as_string(hide_password=True)


DatabaseURL: TypeAlias = Annotated[URL, PlainValidator(database_url), PlainSerializer(_masked, return_type=str)]
"""A connection given as a URL. Printed and dumped without its password."""


def _kind_of(value: object) -> str | None:
    """Which spelling is this: the driver says it, or without one the key that only one of them has."""
    if isinstance(value, str | URL):
        return "url"
    if isinstance(value, SQLiteConfig):
        return "sqlite"
    if isinstance(value, PostgreSQLConfig):
        return "postgresql"
    if not isinstance(value, Mapping):
        return None
    parts = cast("Mapping[str, Any]", value)
    driver = parts.get("driver", "sqlite" if "path" in parts else "postgresql" if "db" in parts else None)
    return _KINDS.get(str(driver))


_UNKNOWN = "not a connection; give `driver: sqlite` with `path`, `driver: postgresql` with `db`, or a URL"

DatabaseConfig: TypeAlias = Annotated[
    Annotated[SQLiteConfig, Tag("sqlite")] | Annotated[PostgreSQLConfig, Tag("postgresql")],
    Discriminator(_kind_of, custom_error_type="connection", custom_error_message=_UNKNOWN),
]
"""One connection given by its parts; ``driver`` tells which."""

Connection: TypeAlias = Annotated[
    Annotated[SQLiteConfig, Tag("sqlite")] | Annotated[PostgreSQLConfig, Tag("postgresql")] | Annotated[DatabaseURL, Tag("url")],
    Discriminator(_kind_of, custom_error_type="connection", custom_error_message=_UNKNOWN),
]
"""One connection, by its parts or as a URL."""
