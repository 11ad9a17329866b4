"""What is logged, and to where? One section a logger, and the collector for telemetry."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import AnyHttpUrl, BaseModel, ConfigDict, Field, field_validator


class LogLevel(StrEnum):
    """From which severity on records are kept. ``NOTSET`` asks the parent logger."""

    NOTSET = "NOTSET"
    DEBUG = "DEBUG"
    INFO = "INFO"
    WARNING = "WARNING"
    ERROR = "ERROR"


class LoggerConfig(BaseModel):
    """One logger. Without ``file`` its records go to standard error; with ``propagate`` its parent writes them."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, defer_build=True)

    level: LogLevel = LogLevel.INFO
    propagate: bool = False
    file: str | None = None

    @field_validator("level", mode="before")
    @classmethod
    def _any_case(cls, value: Any) -> Any:
        return value.upper() if isinstance(value, str) else value


class OtelConfig(BaseModel):
    """An OpenTelemetry collector. Its address may carry credentials, so it is never printed."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, defer_build=True)

    collector_endpoint: AnyHttpUrl = Field(repr=False)
    resource_attributes: dict[str, str] | None = None
