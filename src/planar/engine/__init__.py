"""Durable execution. Knows no feature and no HTTP. Nothing here: import the part you mean."""
