from __future__ import annotations

import json
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from planar.config import InvalidConfigurationError, aws_postgresql_config, connection_string_config, sqlite_config


def test_a_sqlite_preset_is_closed_and_for_dev() -> None:
    config = sqlite_config("x.db")
    assert str(config.connection_url()) == "sqlite+aiosqlite:///x.db"
    assert list(config.db_connections) == ["app"]
    assert config.environment == "dev"
    assert config.cors.allow_origins == []
    assert config.jwt is None
    assert config.authz is None


def test_a_url_preset_masks_its_password_and_uses_it() -> None:
    config = connection_string_config("postgresql://u:geheim@h/d")
    assert config.connection_url().password == "geheim"
    assert "geheim" not in repr(config)
    assert "geheim" not in str(config.connection_url())


def test_a_wrong_url_is_refused_without_being_repeated() -> None:
    with pytest.raises(InvalidConfigurationError) as caught:
        connection_string_config("mysql://u:geheim@h/d")
    assert "'mysql'" in str(caught.value)
    assert "geheim" not in str(caught.value)


def test_without_boto3_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_SECRET_NAME", "db")
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(InvalidConfigurationError, match="pip install boto3"):
        aws_postgresql_config()


def test_without_a_secret_name_the_variable_is_named() -> None:
    with pytest.raises(InvalidConfigurationError, match="DB_SECRET_NAME is not set"):
        aws_postgresql_config()


def _aws(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    """A stand-in for boto3 that knows one secret."""

    def get_secret_value(*, SecretId: str) -> Any:  # noqa: N803  (the client's own spelling)
        assert SecretId == "db"
        return {"SecretString": answer} if isinstance(answer, str) else answer

    def client(service: str) -> SimpleNamespace:
        assert service == "secretsmanager"
        return SimpleNamespace(get_secret_value=get_secret_value)

    monkeypatch.setenv("DB_SECRET_NAME", "db")
    monkeypatch.setitem(sys.modules, "boto3", SimpleNamespace(client=client))


def test_a_secret_of_aws_becomes_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    _aws(monkeypatch, json.dumps({"host": "h", "port": "5433", "username": "u", "password": "geheim", "dbname": "d", "engine": "postgres"}))
    url = aws_postgresql_config().connection_url()
    assert url.render_as_string(hide_password=False) == "postgresql+asyncpg://u:geheim@h:5433/d"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ('{"password": "geheim"}', "lacks: host, port, username, dbname"),
        ('["geheim"]', "not a JSON object"),
        ("geheim{", "cannot be read: JSONDecodeError"),
        ({}, "cannot be read: KeyError"),
    ],
)
def test_a_wrong_secret_is_told_without_its_content(answer: Any, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _aws(monkeypatch, answer)
    with pytest.raises(InvalidConfigurationError, match=told) as caught:
        aws_postgresql_config()
    assert "geheim" not in str(caught.value)
