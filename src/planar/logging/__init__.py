"""Structured records: a sentence, and fields that say what it is about."""

from __future__ import annotations

from planar.logging.context import bind_log_fields, get_context_metadata, set_context_metadata
from planar.logging.formatter import ExtraAttributesFilter, JsonFormatter, StructuredFormatter
from planar.logging.logger import PlanarLogger, get_logger
from planar.logging.setup import configure_logging, reset_logging

__all__ = [
    "ExtraAttributesFilter",
    "JsonFormatter",
    "PlanarLogger",
    "StructuredFormatter",
    "bind_log_fields",
    "configure_logging",
    "get_context_metadata",
    "get_logger",
    "reset_logging",
    "set_context_metadata",
]
