from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from planar.config import (
    Environment,
    InvalidConfigurationError,
    LocalDirectoryConfig,
    PlanarConfig,
    get_config_path,
    get_environment,
    load_config_from_file,
    load_environment_aware_config,
    load_environment_aware_env_vars,
)
from planar.config.environment import config_candidates, migrations_beside_app

Write = Callable[[str, str], Path]

MINIMAL = "db_connections: {app: {driver: sqlite, path: x.db}}\napp: {db_connection: app}\n"


def file_of(config: PlanarConfig) -> str | None:
    return config.connection_url().database


def refusal() -> str:
    with pytest.raises(InvalidConfigurationError) as caught:
        load_environment_aware_config()
    return str(caught.value)


def test_the_environment_is_dev_unless_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert get_environment() == "dev"
    monkeypatch.setenv("PLANAR_ENV", "prod")
    assert get_environment() is Environment.PROD


def test_an_unknown_environment_is_refused_with_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANAR_ENV", "typo")
    assert refusal() == "PLANAR_ENV is 'typo'; it must be one of: dev, prod."


def test_without_a_file_the_defaults_hold_and_the_places_searched_are_told(home: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = load_environment_aware_config()
    assert config.environment is Environment.DEV
    assert file_of(config) == str(home / "planar_dev.db")
    assert config.storage == LocalDirectoryConfig(directory=str(home / ".files"))
    [record] = caplog.records
    assert record.levelname == "WARNING"
    assert str(home / "planar.dev.yaml") in str(vars(record))


def test_dev_allows_local_origins_and_prod_no_foreign_one(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    assert "localhost" in load_environment_aware_config().cors.allow_origins
    monkeypatch.setenv("PLANAR_ENV", "prod")
    config = load_environment_aware_config()
    assert config.cors.allow_origins == []
    assert config.jwt is None
    assert file_of(config) == str(home / "planar.db")


def test_files_are_searched_beside_the_entry_point_first_and_by_environment_first(
    write: Write, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLANAR_ENTRY_POINT", str(home / "app" / "main.py"))
    names = ["app/planar.dev.yaml", "app/planar.yaml", "planar.dev.yaml", "planar.yaml"]
    assert config_candidates() == [home / name for name in names]
    for name in names:
        write(name, MINIMAL)
    for name in names:
        assert get_config_path() == home / name
        (home / name).unlink()
    assert get_config_path() is None


def test_a_named_file_is_used_and_a_missing_one_is_an_error(write: Write, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write("planar.yaml", "wrong: 1")
    monkeypatch.setenv("PLANAR_CONFIG", str(write("other.yaml", MINIMAL)))
    assert file_of(load_environment_aware_config()) == str(home / "x.db")
    monkeypatch.setenv("PLANAR_CONFIG", "absent.yaml")
    assert refusal().startswith("Configuration file not found: absent.yaml")


def test_a_file_is_merged_over_the_defaults(write: Write) -> None:
    write("planar.dev.yaml", "cors: {allow_headers: [X-A]}\nworkflows: {lease_seconds: 1}\nlogging: {'': {level: DEBUG}}")
    config = load_environment_aware_config()
    assert config.cors.allow_headers == ["X-A"]
    assert config.cors.allow_credentials is True
    assert config.workflows.lease_seconds == 1
    assert config.workflows.drain_seconds == 3
    assert config.app.db_connection == "app"


def test_a_connection_in_a_file_replaces_the_default_one_instead_of_mixing_with_it(write: Write) -> None:
    write("planar.dev.yaml", "db_connections: {app: {driver: postgresql, db: d}}")
    assert load_environment_aware_config().connection_url().drivername == "postgresql+asyncpg"


def test_a_file_with_connections_never_falls_back_to_the_default_database(write: Write) -> None:
    write("planar.dev.yaml", "db_connections: {main: {driver: postgresql, db: d}}")
    assert "app.db_connection names 'app', which db_connections does not define (it defines: main)" in refusal()


def test_another_storage_replaces_the_default_one(write: Write) -> None:
    write("planar.dev.yaml", "storage: {backend: s3, bucket_name: abc, region: x}")
    storage = load_environment_aware_config().storage
    assert storage is not None
    assert storage.backend == "s3"


@pytest.mark.parametrize("connection", ["{path: data/x.db}", "sqlite:///data/x.db"])
def test_paths_in_a_file_start_beside_it_wherever_the_process_was_started(
    connection: str, write: Write, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(
        "app/planar.dev.yaml",
        f"db_connections: {{app: '{connection}'}}\n" if "://" in connection else f"db_connections: {{app: {connection}}}\n",
    )
    path.write_text(
        path.read_text() + "app: {db_connection: app}\nstorage: {backend: localdir, directory: /abs}\nlogging: {a: {file: a.log}}"
    )
    monkeypatch.setenv("PLANAR_ENTRY_POINT", str(home / "app" / "main.py"))
    from_above = load_environment_aware_config()
    monkeypatch.chdir(home / "app")
    monkeypatch.setenv("PLANAR_ENTRY_POINT", "main.py")
    from_inside = load_environment_aware_config()
    assert file_of(from_above) == file_of(from_inside) == file_of(load_config_from_file(path)) == str(home / "app" / "data" / "x.db")
    assert from_above.logging is not None
    assert from_above.logging["a"].file == str(home / "app" / "a.log")
    assert from_above.storage == LocalDirectoryConfig(directory="/abs")


@pytest.mark.parametrize("path", ["':memory:'", "/abs/x.db"])
def test_a_path_that_is_not_relative_stays(path: str, write: Write) -> None:
    assert file_of(load_config_from_file(write("p.yaml", MINIMAL.replace("x.db", path)))) == path.strip("'")


def test_a_file_for_another_environment_is_refused(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("planar.yaml", "cors: {}\nenvironment: prod\n")
    assert f"{path}, line 2: environment: this file is for 'prod' but PLANAR_ENV says 'dev'" in refusal()
    monkeypatch.setenv("PLANAR_ENV", "prod")
    assert load_environment_aware_config().environment == "prod"


def test_a_mistake_is_told_with_file_line_and_key(write: Write) -> None:
    path = write("planar.dev.yaml", "cors:\n  allow_origin: []\n")
    assert refusal().splitlines() == [
        f"Configuration validation error: {path}",
        "  line 2: cors.allow_origin: unknown key; did you mean `allow_origins`?",
    ]


def test_a_file_that_is_no_text_is_refused(home: Path) -> None:
    (home / "planar.yaml").write_bytes(b"\xff\xfe\x00")
    assert refusal() == f"Configuration file {home / 'planar.yaml'} cannot be read: UnicodeDecodeError"


def test_exactly_one_env_file_is_read_and_the_process_wins(write: Write, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANAR_ENTRY_POINT", str(home / "app" / "main.py"))
    monkeypatch.setenv("TAKEN", "process")
    for number, name in enumerate([".env", ".env.dev", "app/.env", "app/.env.dev"]):
        write(name, f"TAKEN=file\nNUMBER=n{number}\nONLY{number}=x\nBARE\n")
        for variable in ("NUMBER", *(f"ONLY{n}" for n in range(4))):
            os.environ.pop(variable, None)
        assert load_environment_aware_env_vars() == home / name
        assert (os.environ["TAKEN"], os.environ["NUMBER"]) == ("process", f"n{number}")
        assert [n for n in range(4) if f"ONLY{n}" in os.environ] == [number]
        assert "BARE" not in os.environ


def test_without_an_env_file_nothing_is_set(home: Path) -> None:
    before = dict(os.environ)
    assert load_environment_aware_env_vars() is None
    assert dict(os.environ) == before


def test_variables_of_the_env_file_are_known_in_the_settings_file(write: Write, home: Path) -> None:
    write(".env", "DB_FILE=from_env.db\n")
    write("planar.yaml", MINIMAL.replace("x.db", "'${DB_FILE}'"))
    assert file_of(load_environment_aware_config()) == str(home / "from_env.db")


def test_secrets_are_not_logged(write: Write, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    caplog.set_level("DEBUG")
    monkeypatch.setenv("SECRET", "geheim")
    write("planar.yaml", MINIMAL + "ai_providers: {openai: {api_key: $SECRET}}")
    config = load_environment_aware_config()
    assert "geheim" not in caplog.text
    assert "geheim" not in repr(config)
    assert "geheim" not in str(config)


def test_an_error_carries_no_chained_text_that_could_hold_a_secret(write: Write) -> None:
    write("planar.yaml", MINIMAL + "ai_providers: {openai: {api_key: [geheim]}}")
    with pytest.raises(InvalidConfigurationError) as caught:
        load_environment_aware_config()
    assert caught.value.__suppress_context__
    assert "geheim" not in str(caught.value.__context__)


def test_the_folder_of_migrations_is_relative_to_the_settings_file(tmp_path: Path) -> None:
    (tmp_path / "planar.yaml").write_text(
        "app: {db_connection: app, migrations: db/revisions}\ndb_connections: {app: {driver: sqlite, path: app.db}}\n"
    )
    assert load_config_from_file(tmp_path / "planar.yaml").app.migrations == tmp_path / "db" / "revisions"


def test_without_a_setting_migrations_are_beside_the_file_with_the_app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PLANAR_ENTRY_POINT", raising=False)
    assert migrations_beside_app() is None
    monkeypatch.setenv("PLANAR_ENTRY_POINT", str(tmp_path / "app" / "main.py"))
    assert migrations_beside_app() == tmp_path / "app" / "migrations"
