from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError
from sqlalchemy.engine import make_url

from planar.config import (
    AppConfig,
    CorsConfig,
    Environment,
    InvalidConfigurationError,
    JWTConfig,
    LoggerConfig,
    LogLevel,
    PlanarConfig,
    PostgreSQLConfig,
    SQLiteConfig,
    load_config,
)
from planar.config.problems import models_in  # the walk that also finds the keys to suggest
from planar.errors import PlanarError

MINIMAL = "db_connections: {app: {driver: sqlite, path: x.db}}\napp: {db_connection: app}\n"


def refusal(text: str) -> str:
    with pytest.raises(InvalidConfigurationError) as caught:
        load_config(text)
    return str(caught.value)


def test_the_defaults_are_those_of_the_specification() -> None:
    config = load_config(MINIMAL)
    assert config.environment is Environment.DEV
    assert config.storage is not None
    assert config.storage.model_dump() == {"backend": "localdir", "directory": ".files"}
    assert config.sse_hub is False
    assert config.use_alembic is True
    assert config.app.max_db_conflict_retries is None
    assert (config.ai_providers, config.jwt, config.authz, config.logging, config.otel) == (None, None, None, None, None)
    assert config.cors.allow_origins == []
    assert config.workflows.model_dump(exclude={"poll_seconds"}) == {
        "lease_seconds": 5,
        "drain_seconds": 3,
        "cancel_seconds": 10,
        "max_concurrent_runs": 1000,
        "max_parked_runs": 1000,
        "max_recoveries": 10,
        "max_argument_bytes": 1048576,
    }


def test_every_section_refuses_unknown_keys_and_keeps_input_out_of_errors() -> None:
    seen: set[type[BaseModel]] = set()
    ahead: list[type[BaseModel]] = [PlanarConfig]
    while ahead:
        model = ahead.pop()
        if model not in seen:
            seen.add(model)
            ahead += [found for field in model.model_fields.values() for found in models_in(field.annotation)]
    assert len(seen) >= 15
    for model in seen:
        assert model.model_config.get("extra") == "forbid", model
        assert model.model_config.get("hide_input_in_errors") is True, model


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("storag: null\n", "line 3: storag: unknown key; did you mean `storage`?"),
        ("workflows:\n  lease_second: 2\n", "line 4: workflows.lease_second: unknown key; did you mean `lease_seconds`?"),
        ("logging:\n  planar: {levl: INFO}\n", "line 4: logging.planar.levl: unknown key; did you mean `level`?"),
        (
            "storage: {backend: s3, bucket_name: abc, region: x, acces_key: y}\n",
            "storage.acces_key: unknown key; did you mean `access_key`?",
        ),
        ("authz: {zzz: 1}\n", "authz.zzz: unknown key; known here: enabled, policy_file"),
    ],
)
def test_an_unknown_key_is_named_with_its_place_and_the_nearest_known_one(text: str, told: str) -> None:
    assert told in refusal(MINIMAL + text)


def test_an_unknown_key_of_a_connection_is_compared_with_its_kind() -> None:
    text = "db_connections: {app: {driver: postgresql, db: x, hst: y}}\napp: {db_connection: app}"
    assert "db_connections.app.hst: unknown key; did you mean `host`?" in refusal(text)


def test_an_error_never_repeats_a_value() -> None:
    told = refusal(MINIMAL + "ai_providers: {openai: {api_key: [geheim]}}\nuse_alembic: geheim\n")
    assert "ai_providers.openai.api_key" in told
    assert "use_alembic" in told
    assert "geheim" not in told


def test_a_failure_is_a_planar_error_and_a_value_error() -> None:
    assert issubclass(InvalidConfigurationError, PlanarError)
    assert issubclass(InvalidConfigurationError, ValueError)


def test_zero_retries_are_not_the_default() -> None:
    assert load_config(MINIMAL.replace("app}", "app, max_db_conflict_retries: 0}")).app.max_db_conflict_retries == 0
    assert "app.max_db_conflict_retries" in refusal(MINIMAL.replace("app}", "app, max_db_conflict_retries: -1}"))


@pytest.mark.parametrize("seconds", ["0.9", "0", "-1", ".nan", ".inf"])
def test_a_lease_that_would_be_lost_all_the_time_is_refused_with_what_to_do(seconds: str) -> None:
    told = refusal(f"{MINIMAL}workflows:\n  lease_seconds: {seconds}\n")
    assert "line 4: workflows.lease_seconds: a lease is at least 1 second" in told
    assert "default of 5" in told


def test_storage_may_be_null() -> None:
    assert load_config(MINIMAL + "storage: null").storage is None


@pytest.mark.parametrize(
    ("connection", "url"),
    [
        ("{driver: sqlite, path: a/x.db}", "sqlite+aiosqlite:///a/x.db"),
        ("{driver: sqlite+aiosqlite, path: ':memory:'}", "sqlite+aiosqlite:///:memory:"),
        ("{path: x.db}", "sqlite+aiosqlite:///x.db"),
        ("{driver: postgresql, db: null}", "postgresql+asyncpg://"),
        ("{driver: postgresql, host: h, port: 1, user: u, password: p@/, db: d}", "postgresql+asyncpg://u:p%40%2F@h:1/d"),
        ("sqlite:///x.db", "sqlite+aiosqlite:///x.db"),
        ("postgres://u:p@h/d?ssl=require", "postgresql+asyncpg://u:p@h/d?ssl=require"),
    ],
)
def test_every_spelling_of_a_connection_makes_the_url_of_an_asynchronous_driver(connection: str, url: str) -> None:
    config = load_config(f"db_connections:\n  app: {connection}\napp: {{db_connection: app}}")
    assert config.connection_url() == make_url(url)


@pytest.mark.parametrize(
    "connection",
    ["{driver: mysql, path: x}", "{host: h}", "7", "mysql://h/d", "no url", "{driver: sqlite, path: ''}", "{driver: postgresql}",
     "{driver: postgresql, db: d, port: 0}", "postgresql://h/d?password=geheim"],
)  # fmt: skip
def test_what_is_no_connection_is_refused_with_its_place_and_without_its_value(connection: str) -> None:
    told = refusal(f"db_connections:\n  app: {connection}\napp: {{db_connection: app}}")
    assert "line 2: db_connections.app" in told
    assert "geheim" not in told


def test_the_active_connection_must_be_defined() -> None:
    told = refusal("db_connections: {main: {path: x}}\napp: {db_connection: other}")
    assert "names 'other', which db_connections does not define (it defines: main)" in told


def test_pool_settings_come_from_the_active_connection() -> None:
    given = load_config("db_connections: {a: {driver: postgresql, db: d, pool: {size: 3}}}\napp: {db_connection: a}")
    assert given.pool().size == 3
    assert (given.pool().engine_size, given.pool().most_connections()) == (4, 3 + 10 + 4 + 2)
    assert "engine_size: " in refusal("db_connections: {a: {driver: postgresql, db: d, pool: {engine_size: 1}}}\napp: {db_connection: a}")
    assert load_config("db_connections: {a: 'postgresql://h/d'}\napp: {db_connection: a}").pool().size == 10


def test_a_regular_expression_with_a_star_may_go_with_credentials() -> None:
    cors = CorsConfig(allow_origins=r"https://.*\.example\.com", allow_credentials=True)
    assert cors.middleware_options()["allow_origin_regex"] == r"https://.*\.example\.com"
    assert cors.middleware_options()["allow_origins"] == []


@pytest.mark.parametrize("origins", ["*", ["*"], ["https://a.example", "*"]])
def test_any_origin_is_refused_with_credentials_only(origins: Any) -> None:
    assert "*" in CorsConfig(allow_origins=origins).middleware_options()["allow_origins"]
    with pytest.raises(ValidationError, match="allow_credentials cannot go with"):
        CorsConfig(allow_origins=origins, allow_credentials=True)


@pytest.mark.parametrize("origins", ["(", ["example.com"], ["https://a.example/"], ["https://a.example/path"], [""]])
def test_an_origin_that_can_never_match_is_refused(origins: Any) -> None:
    with pytest.raises(ValidationError):
        CorsConfig(allow_origins=origins)


@pytest.mark.parametrize("given", [{"enabled": True}, {"client_id": "x"}])
def test_tokens_need_both_the_switch_and_the_client(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        JWTConfig(**given)


def test_a_level_may_be_written_in_any_case() -> None:
    assert LoggerConfig.model_validate({"level": "debug"}).level is LogLevel.DEBUG


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("${ON}", True), ("${OFF}", False), ("null", False), ("/run/hub", "/run/hub"), ("http://h:1/x", "http://h:1/x")],
)
def test_the_hub_is_a_switch_or_an_address(text: str, value: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ON", "true")
    monkeypatch.setenv("OFF", "false")
    assert load_config(f"{MINIMAL}sse_hub: {text}").sse_hub == value


@pytest.mark.parametrize("text", ["maybe", "/", "ftp://x", "7"])
def test_a_hub_that_is_neither_is_refused(text: str) -> None:
    assert "sse_hub" in refusal(f"{MINIMAL}sse_hub: {text}")


def test_text_from_a_variable_becomes_what_its_setting_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NUMBER", "7")
    monkeypatch.setenv("SWITCH", "false")
    config = load_config(
        "db_connections: {app: {driver: postgresql, db: d, port: $NUMBER, password: $NUMBER}}\n"
        "app: {db_connection: app, max_db_conflict_retries: $NUMBER}\nuse_alembic: ${SWITCH}\n"
    )
    connection = config.db_connections["app"]
    assert isinstance(connection, PostgreSQLConfig)
    assert connection.password is not None
    assert (connection.port, connection.password.get_secret_value(), config.app.max_db_conflict_retries, config.use_alembic) == (
        7,
        "7",
        7,
        False,
    )


def test_a_configuration_can_be_written_in_python() -> None:
    config = PlanarConfig(db_connections={"app": SQLiteConfig(path="x.db")}, app=AppConfig(db_connection="app"))
    assert re.fullmatch("sqlite.*x.db", str(config.connection_url()))
