"""Where do the settings come from? Find the file, fill in the variables, join it with the defaults, validate."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from planar.config.anchoring import anchored
from planar.config.defaults import base_settings, over_base
from planar.config.document import Document, read_document
from planar.config.environment import (
    config_candidates,
    get_config_path,
    get_environment,
    home_directory,
    load_environment_aware_env_vars,
)
from planar.config.errors import InvalidConfigurationError
from planar.config.problems import describe
from planar.config.settings import Environment, PlanarConfig
from planar.logging import get_logger

logger = get_logger(__name__)


def load_config(yaml_str: str) -> PlanarConfig:
    """The settings written in *yaml_str*, without defaults of an environment; relative paths start at the current directory.

    Raises:
        InvalidConfigurationError: the text is no YAML, names an unset variable, or does not fit; the message tells the place.
    """
    document = read_document(yaml_str, "<text>", os.environ)
    return _validated(document.data, document)


def load_config_from_file(path: str | Path) -> PlanarConfig:
    """The settings in the file *path*, without defaults of an environment; its relative paths start beside it.

    Raises:
        InvalidConfigurationError: as `load_config`, or the file cannot be read.
    """
    document = _read_file(Path(path))
    return _validated(document.data, document)


def load_environment_aware_config() -> PlanarConfig:
    """The settings of this process: ``.env``, the defaults of ``PLANAR_ENV``, and the settings file over them.

    Raises:
        InvalidConfigurationError: something in them cannot be used; the message tells the file, the line and the key.
    """
    load_environment_aware_env_vars()
    environment = get_environment()
    base = anchored(base_settings(environment), home_directory())
    path = get_config_path()
    if path is None:
        searched = [str(candidate) for candidate in config_candidates()]
        logger.warning("no configuration file found, using defaults", environment=environment.value, searched=searched)
        return _validated(base, None)
    document = _read_file(path)
    _refuse_other_environment(document, environment)
    return _validated(over_base(document.data, base), document)


def _read_file(path: Path) -> Document:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InvalidConfigurationError(f"Configuration file not found: {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidConfigurationError(f"Configuration file {path} cannot be read: {error.__class__.__name__}") from None
    document = read_document(text, str(path), os.environ)
    return Document(document.source, anchored(document.data, path.absolute().parent), document.lines)


def _refuse_other_environment(document: Document, environment: Environment) -> None:
    """One name for the environment: with two, the defaults of one would serve the other."""
    written = document.data.get("environment", environment.value)
    if written != environment.value and written in {known.value for known in Environment}:
        line = document.line(("environment",))
        raise InvalidConfigurationError(
            f"{document.source}, line {line}: environment: this file is for {written!r} but PLANAR_ENV says "
            f"{environment.value!r}. Start with the command of that environment, or remove the key."
        )


def _validated(data: Mapping[str, Any], document: Document | None) -> PlanarConfig:
    try:
        return PlanarConfig.model_validate(data)
    except ValidationError as error:
        # Not chained: its own text may quote what was given.
        raise InvalidConfigurationError(describe(error, PlanarConfig, data, document)) from None
