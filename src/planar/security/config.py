"""Who may call, from where? The settings for foreign origins, tokens and authorization."""

from __future__ import annotations

import re
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s]+", re.IGNORECASE)


class CorsConfig(BaseModel):
    """Which web pages of other origins may read the answers. A list names origins; a text is a regular expression
    that must match a whole origin. The default allows none."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, defer_build=True)

    allow_origins: list[str] | str = Field(default_factory=list[str])
    allow_credentials: bool = False
    allow_methods: list[str] = Field(default_factory=lambda: ["*"])
    allow_headers: list[str] = Field(default_factory=lambda: ["*"])

    @field_validator("allow_origins")
    @classmethod
    def _can_match(cls, value: list[str] | str) -> list[str] | str:
        """An origin that can never match is refused now, instead of puzzling somebody before a browser."""
        if value == "*":
            return ["*"]
        if isinstance(value, str):
            try:
                re.compile(value)
            except re.error as error:
                raise ValueError(f"not a regular expression: {error}") from None
            return value
        for origin in value:
            if origin not in ("*", "null") and not _ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin!r} is not an origin; write scheme://host or scheme://host:port, without a path")
        return value

    @model_validator(mode="after")
    def _credentials_need_names(self) -> Self:
        if self.allow_credentials and isinstance(self.allow_origins, list) and "*" in self.allow_origins:
            raise ValueError('allow_credentials cannot go with the origin "*"; name the origins, or give a regular expression')
        return self

    def middleware_options(self) -> dict[str, Any]:
        """The keyword arguments of Starlette's ``CORSMiddleware``."""
        origins = self.allow_origins
        return {
            "allow_origins": origins if isinstance(origins, list) else [],
            "allow_origin_regex": origins if isinstance(origins, str) else None,
            "allow_credentials": self.allow_credentials,
            "allow_methods": self.allow_methods,
            "allow_headers": self.allow_headers,
        }


class JWTConfig(BaseModel):
    """Bearer tokens: whether they are asked for, and for which client and organization they must be made."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, defer_build=True)

    enabled: bool = False
    client_id: str | None = None
    org_id: str | None = None
    additional_exclusion_paths: list[str] = Field(default_factory=list[str])

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if self.enabled and not self.client_id:
            raise ValueError("enabled needs a client_id")
        if self.client_id and not self.enabled:
            raise ValueError("client_id is given but enabled is false; set enabled: true, or remove client_id")
        return self


class AuthzConfig(BaseModel):
    """Authorization by policies. The section's presence switches it on."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, defer_build=True)

    enabled: bool = True
    policy_file: str | None = None
