from __future__ import annotations

import pytest

from planar.config import (
    InvalidConfigurationError,
    OtelConfig,
    UnsupportedFeature,
    check_supported,
    install_otel_provider,
    load_config,
    load_environment_aware_config,
)

MINIMAL = "db_connections: {app: {driver: sqlite, path: x.db}}\napp: {db_connection: app}\n"


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("jwt: {enabled: true, client_id: x}", "jwt.enabled"),
        ("authz: {}", "authz.enabled"),
        ("sse_hub: true", "sse_hub"),
        ("sse_hub: http://h", "sse_hub"),
        ("ai_providers: {openai: {api_key: x}}", "ai_providers.openai"),
        ("ai_providers: {anthropic: {api_key: x}}", "ai_providers.anthropic"),
        ("ai_providers: {gemini: {api_key: x}}", "ai_providers.gemini"),
        ("otel: {collector_endpoint: 'http://h'}", "otel"),
    ],
)
def test_switching_on_what_does_not_exist_yet_is_an_error_that_names_the_key(section: str, key: str) -> None:
    with pytest.raises(UnsupportedFeature, match=rf"\n  {key}: .*not available yet"):
        check_supported(load_config(MINIMAL + section))


@pytest.mark.parametrize("connection", ["'postgresql://h/db'", "{driver: postgresql, host: h, db: db}", "{driver: sqlite, path: x.db}"])
def test_workflows_run_on_both_databases(connection: str) -> None:
    check_supported(load_config(f"db_connections: {{here: {connection}}}\napp: {{db_connection: here}}"))


def test_every_such_key_is_told_at_once() -> None:
    with pytest.raises(InvalidConfigurationError) as caught:
        check_supported(load_config(MINIMAL.replace("x.db", "x.db, strict: true") + "sse_hub: true\nauthz: {enabled: true}"))
    assert [line.split(":")[0].strip() for line in str(caught.value).splitlines()[1:]] == [
        "authz.enabled",
        "sse_hub",
        "db_connections.app.strict",
    ]


@pytest.mark.parametrize(
    "section",
    ["", "jwt: {enabled: false}", "jwt: null", "authz: {enabled: false}", "sse_hub: false", "ai_providers: {}", "storage: null",
     "storage: {backend: localdir, directory: x}", "storage: {backend: s3, bucket_name: abc, region: r}", "storage: {backend: memory}",
     "storage: {backend: gcs, bucket_name: abc}", "storage: {backend: azure, account_name: abc, container_name: def}", "otel: null"],
)  # fmt: skip
def test_what_is_switched_off_is_supported(section: str) -> None:
    check_supported(load_config(MINIMAL + section))


@pytest.mark.parametrize("environment", ["dev", "prod"])
def test_the_defaults_are_supported(environment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANAR_ENV", environment)
    check_supported(load_environment_aware_config())


def test_installing_telemetry_by_hand_is_refused_as_well() -> None:
    with pytest.raises(UnsupportedFeature, match="not available"):
        install_otel_provider(OtelConfig.model_validate({"collector_endpoint": "http://h"}))
