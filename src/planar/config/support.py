"""Does this version have what the settings ask for? What it lacks is an error at start, never silently ignored."""

from __future__ import annotations

from collections.abc import Iterator

from planar.config.errors import UnsupportedFeature
from planar.config.settings import PlanarConfig
from planar.db.config import SQLiteConfig


def check_supported(config: PlanarConfig) -> None:
    """Raise if *config* switches on something that does not exist yet.

    Raises:
        UnsupportedFeature: the message names every such key and what to do with it.
    """
    lacking = list(_lacking(config))
    if lacking:
        lines = "\n".join(f"  {key}: {remedy}" for key, remedy in lacking)
        raise UnsupportedFeature(f"The configuration asks for what this version of Planar does not have:\n{lines}")


def _lacking(config: PlanarConfig) -> Iterator[tuple[str, str]]:
    """Each key that would act, with the way out."""
    if config.jwt is not None and config.jwt.enabled:
        yield "jwt.enabled", "tokens are not available yet; set it to false, and keep the service behind something that checks them"
    if config.authz is not None and config.authz.enabled:
        yield "authz.enabled", "authorization is not available yet; set it to false"
    if config.sse_hub:
        yield "sse_hub", "the event stream is not available yet; set it to false"
    if config.ai_providers is not None:
        for provider in type(config.ai_providers).model_fields:
            if getattr(config.ai_providers, provider) is not None:
                yield f"ai_providers.{provider}", "agents are not available yet; remove the section"
    if config.otel is not None:
        yield "otel", "telemetry is not available yet; remove the section"
    for name, connection in config.db_connections.items():
        if isinstance(connection, SQLiteConfig) and connection.strict:
            yield f"db_connections.{name}.strict", "strict tables are not available yet; remove the key"
