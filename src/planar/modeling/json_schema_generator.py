"""The name under which applications import `planar.modeling.json_schema`."""

from __future__ import annotations

from planar.modeling.json_schema import generate_json_schema_for_input_parameters, generate_json_schema_for_output_parameters

__all__ = ["generate_json_schema_for_input_parameters", "generate_json_schema_for_output_parameters"]
