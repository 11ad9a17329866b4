"""Planar: typed entities, durable workflows and an HTTP API for business services."""
