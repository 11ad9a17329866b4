"""The settings: one class from each package, found, joined and checked here."""

from __future__ import annotations

from planar.config.aws import aws_postgresql_config
from planar.config.defaults import JWT_DISABLED_CONFIG, LOCAL_CORS_CONFIG, PROD_CORS_CONFIG, deep_merge_dicts
from planar.config.environment import get_config_path, get_environment, load_environment_aware_env_vars
from planar.config.errors import InvalidConfigurationError, UnsupportedFeature
from planar.config.later import (
    AIProvidersConfig,
    AnthropicConfig,
    GeminiConfig,
    OpenAIConfig,
    install_otel_provider,
)
from planar.config.loading import load_config, load_config_from_file, load_environment_aware_config
from planar.config.masking import masked
from planar.config.presets import connection_string_config, sqlite_config
from planar.config.settings import AppConfig, Environment, PlanarConfig
from planar.config.support import check_supported
from planar.db.config import DatabaseConfig, PoolConfig, PostgreSQLConfig, SQLiteConfig
from planar.engine.config import WorkerConfig
from planar.files.storage.config import (
    AzureConfig,
    GCSConfig,
    LocalDirectoryConfig,
    MemoryConfig,
    S3Config,
    StorageConfig,
    default_storage_config,
)
from planar.logging.config import LoggerConfig, LogLevel, OtelConfig
from planar.security.config import AuthzConfig, CorsConfig, JWTConfig

__all__ = [
    "JWT_DISABLED_CONFIG",
    "LOCAL_CORS_CONFIG",
    "PROD_CORS_CONFIG",
    "AIProvidersConfig",
    "AnthropicConfig",
    "AppConfig",
    "AuthzConfig",
    "AzureConfig",
    "CorsConfig",
    "DatabaseConfig",
    "Environment",
    "GCSConfig",
    "GeminiConfig",
    "InvalidConfigurationError",
    "JWTConfig",
    "LocalDirectoryConfig",
    "LogLevel",
    "LoggerConfig",
    "MemoryConfig",
    "OpenAIConfig",
    "OtelConfig",
    "PlanarConfig",
    "PoolConfig",
    "PostgreSQLConfig",
    "S3Config",
    "SQLiteConfig",
    "StorageConfig",
    "UnsupportedFeature",
    "WorkerConfig",
    "aws_postgresql_config",
    "check_supported",
    "connection_string_config",
    "deep_merge_dicts",
    "default_storage_config",
    "get_config_path",
    "get_environment",
    "install_otel_provider",
    "load_config",
    "load_config_from_file",
    "load_environment_aware_config",
    "load_environment_aware_env_vars",
    "masked",
    "sqlite_config",
]
