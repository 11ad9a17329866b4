"""How is the database found on AWS? By a secret that names it, read with boto3, which is not installed with Planar."""

from __future__ import annotations

import json
import os
from typing import Any, cast

from planar import lazy
from planar.config.errors import InvalidConfigurationError
from planar.config.presets import single_connection
from planar.config.settings import PlanarConfig

_KEYS = ("host", "port", "username", "password", "dbname")


def aws_postgresql_config() -> PlanarConfig:
    """A configuration for the PostgreSQL database that an AWS secret describes, otherwise as `sqlite_config`.

    ``DB_SECRET_NAME`` names the secret; its keys are ``host``, ``port``, ``username``, ``password`` and ``dbname``. Region and
    credentials are found as boto3 finds them.

    Raises:
        InvalidConfigurationError: the variable is not set, boto3 is not installed, or the secret cannot be read or lacks a key.
    """
    name = os.environ.get("DB_SECRET_NAME")
    if not name:
        raise InvalidConfigurationError("DB_SECRET_NAME is not set; it names the AWS secret that holds the database's address.")
    secret = _aws_secret(name)
    missing = [key for key in _KEYS if key not in secret]
    if missing:
        raise InvalidConfigurationError(f"The AWS secret {name!r} lacks: {', '.join(missing)}.")
    return single_connection(
        {
            "driver": "postgresql",
            "host": secret["host"],
            "port": secret["port"],
            "user": secret["username"],
            "password": secret["password"],
            "db": secret["dbname"],
        }
    )


def _aws_secret(name: str) -> dict[str, Any]:
    client = _secrets_client()
    try:
        secret: object = json.loads(client.get_secret_value(SecretId=name)["SecretString"])
    except Exception as error:
        # Any failure of the client or of the secret's form; its text may quote the secret, so only its kind is told.
        raise InvalidConfigurationError(f"The AWS secret {name!r} cannot be read: {type(error).__name__}.") from None
    if not isinstance(secret, dict):
        raise InvalidConfigurationError(f"The AWS secret {name!r} is not a JSON object.")
    return cast("dict[str, Any]", secret)


def _secrets_client() -> Any:
    try:
        boto3 = lazy.boto3()
    except ModuleNotFoundError:
        raise InvalidConfigurationError("Reading a secret from AWS needs boto3: install it with `pip install boto3`.") from None
    return boto3.client("secretsmanager")
