"""What can be written for the features that come later? Their sections are checked now and refused where they would act.

`planar.config.support` says which keys do that. Addresses may carry credentials, so no ``repr`` shows them.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, AnyHttpUrl, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from planar.config.errors import UnsupportedFeature

Secret: TypeAlias = Annotated[SecretStr, Field(min_length=1)]
"""A text that is never printed, and never empty."""


class OpenAIConfig(BaseModel):
    """Access to OpenAI, or to a service that speaks its protocol."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, defer_build=True)

    api_key: Secret
    base_url: AnyHttpUrl | None = Field(default=None, repr=False)
    organization: str | None = None


class AnthropicConfig(BaseModel):
    """Access to Anthropic."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, defer_build=True)

    api_key: Secret
    base_url: AnyHttpUrl | None = Field(default=None, repr=False)


class GeminiConfig(BaseModel):
    """Access to Gemini."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, defer_build=True)

    api_key: Secret


class AIProvidersConfig(BaseModel):
    """The providers of language models that agents may use."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, defer_build=True)

    openai: OpenAIConfig | None = None
    anthropic: AnthropicConfig | None = None
    gemini: GeminiConfig | None = None


def install_otel_provider(config: Any) -> None:
    """Send telemetry to the collector that *config* names. Not available in this version.

    Raises:
        UnsupportedFeature: always.
    """
    raise UnsupportedFeature(f"`otel` ({type(config).__name__}) is not available in this version of Planar; remove the section.")


_SWITCHES = {"true": True, "on": True, "yes": True, "false": False, "off": False, "no": False, "": False}


def _switch(value: Any) -> Any:
    """A variable's value is text: one that says yes or no is meant as a switch, not as an address. Null is off."""
    if value is None:
        return False
    return _SWITCHES.get(value.lower(), value) if isinstance(value, str) else value


def _hub(value: bool | str) -> bool | str:
    if isinstance(value, str) and not re.match(r"https?://[^\s/]|/[^\s/]", value):
        raise ValueError("give true, false, a hub's URL (http://...), or the path of its socket (/...)")
    return value


SseHub: TypeAlias = Annotated[bool | str, BeforeValidator(_switch), AfterValidator(_hub)]
"""Off, the built-in hub, or the address of another one."""
