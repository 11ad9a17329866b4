"""What are the settings of an app, and can they be used? `planar config show` and `planar config check`."""

from __future__ import annotations

import yaml

from planar.cli.options import ConfigOptions, apply_config_options
from planar.config import (
    PlanarConfig,
    check_supported,
    get_config_path,
    load_environment_aware_config,
    load_environment_aware_env_vars,
    masked,
)


def show(options: ConfigOptions) -> int:
    """Print where the settings come from and what they are, as YAML, with secrets masked."""
    sources, config = _load(options)
    for line in sources:
        print(f"# {line}")
    print(yaml.safe_dump(masked(config), sort_keys=False, allow_unicode=True), end="")
    return 0


def check(options: ConfigOptions) -> int:
    """Print where the settings come from, if they can be used.

    Raises:
        InvalidConfigurationError: they cannot; the message tells every mistake with its place.
    """
    sources, config = _load(options)
    check_supported(config)
    for line in sources:
        print(line)
    print("The configuration can be used.")
    return 0


def _load(options: ConfigOptions) -> tuple[list[str], PlanarConfig]:
    apply_config_options(options)
    variables = load_environment_aware_env_vars()
    config = load_environment_aware_config()
    return [
        f"environment: {config.environment}",
        f"settings file: {get_config_path() or 'none, the defaults hold'}",
        f"variables file: {variables or 'none'}",
        f"database: {config.connection_url().render_as_string(hide_password=True)}",
        *_connections(config),
    ], config


def _connections(config: PlanarConfig) -> list[str]:
    """How many connections to PostgreSQL a process may need: the server allows a number for all together."""
    if config.connection_url().get_backend_name() != "postgresql":
        return []
    return [f"connections: at most {config.pool().most_connections()} in each process"]
