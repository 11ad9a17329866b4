"""What can be set? One section from each package, joined in `PlanarConfig`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from sqlalchemy.engine import URL

from planar.config.later import AIProvidersConfig, SseHub
from planar.db.config import Connection, PoolConfig, PostgreSQLConfig, SQLiteConfig
from planar.engine.config import WorkerConfig
from planar.entities.config import EntitiesConfig
from planar.files.config import FilesConfig
from planar.files.storage.config import StorageConfig, default_storage_config
from planar.human.config import HumanConfig
from planar.logging.config import LoggerConfig, OtelConfig
from planar.rules.config import RulesConfig
from planar.security.config import AuthzConfig, CorsConfig, JWTConfig


class Environment(StrEnum):
    """What the app is run for: ``dev`` on a developer's machine, ``prod`` everywhere else."""

    DEV = "dev"
    PROD = "prod"


class AppConfig(BaseModel):
    """What concerns the app as a whole."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, defer_build=True)

    db_connection: str
    """The name, in ``db_connections``, of the database to use."""
    max_db_conflict_retries: int | None = Field(default=None, ge=0)
    """How often a transaction is repeated after a conflict. 0 means never; null leaves it to the database layer."""
    migrations: Path | None = None
    """The folder with the revisions of the application's tables; null is ``migrations`` beside the file with the app."""
    allow_newer_database: bool = False
    """Whether the app starts on a database whose revision it does not know, if the tables still fit it."""


class PlanarConfig(BaseModel):
    """Everything that can be set. An unknown key is an error; secrets are masked wherever they would be printed."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, defer_build=True)

    db_connections: dict[str, Connection] = Field(min_length=1)
    app: AppConfig
    ai_providers: AIProvidersConfig | None = None
    storage: StorageConfig | None = Field(default_factory=default_storage_config)
    sse_hub: SseHub = Field(default=False, repr=False)
    cors: CorsConfig = Field(default_factory=CorsConfig)
    environment: Environment = Environment.DEV
    jwt: JWTConfig | None = None
    authz: AuthzConfig | None = None
    logging: dict[str, LoggerConfig] | None = None
    use_alembic: bool | None = True
    otel: OtelConfig | None = None
    workflows: WorkerConfig = Field(default_factory=WorkerConfig)
    entities: EntitiesConfig = Field(default_factory=EntitiesConfig)
    files: FilesConfig = Field(default_factory=FilesConfig)
    human: HumanConfig = Field(default_factory=HumanConfig)
    rules: RulesConfig = Field(default_factory=RulesConfig)

    @field_validator("db_connections")
    @classmethod
    def _named(cls, value: dict[str, Connection]) -> dict[str, Connection]:
        if "" in value:
            raise ValueError("a connection needs a name")
        return value

    @model_validator(mode="after")
    def _connection_exists(self) -> Self:
        if self.app.db_connection not in self.db_connections:
            known = ", ".join(sorted(self.db_connections))
            raise ValueError(
                f"app.db_connection names {self.app.db_connection!r}, which db_connections does not define (it defines: {known})"
            )
        return self

    def connection(self) -> SQLiteConfig | PostgreSQLConfig | URL:
        """The active entry of ``db_connections``, as it was given."""
        return self.db_connections[self.app.db_connection]

    def connection_url(self) -> URL:
        """The address of the active database. It holds the password; its text form masks it."""
        active = self.connection()
        return active if isinstance(active, URL) else active.connection_url()

    def pool(self) -> PoolConfig:
        """How many connections to keep to the active database. The defaults, unless its entry says otherwise."""
        active = self.connection()
        return active.pool if isinstance(active, PostgreSQLConfig) else PoolConfig()
