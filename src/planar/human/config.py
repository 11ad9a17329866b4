"""Who hears of tasks for people outside the app? The ``human`` section of the settings file."""

from __future__ import annotations

from pydantic import AnyHttpUrl, BaseModel, ConfigDict, Field, SecretStr


class WebhookConfig(BaseModel):
    """An address that is told of every change to a task, by a signed POST."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, defer_build=True)

    url: AnyHttpUrl = Field(repr=False)
    secret: SecretStr = Field(min_length=16)
    """The key of the signature: HMAC-SHA256 over the time and the body."""
    timeout_seconds: float = Field(default=10, gt=0, le=300)
    """How long one attempt may take."""
    max_retries: int = Field(default=10, ge=0, le=1000)
    """How often it is tried again, after 1 second, then 2, 4 and so on up to 5 minutes."""


class HumanConfig(BaseModel):
    """What concerns tasks for people."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, defer_build=True)

    webhook: WebhookConfig | None = None
