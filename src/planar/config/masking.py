"""How are settings shown? As plain data in which nothing is secret."""

from __future__ import annotations

import re
from typing import Any, cast

from planar.config.settings import PlanarConfig

MASK = "**********"

_CREDENTIALS = re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]*://)(?P<user>[^\s/:@]*)(?::[^\s/]*)?@", re.IGNORECASE)
_PARAMETER = re.compile(r"(?P<name>[?&;][\w.-]*(?:passw(?:or)?d|pwd|secret|token|key|credential|signature)[\w.-]*=)[^&;\s]*", re.IGNORECASE)


def mask_text(text: str) -> str:
    """*text* with the passwords of URLs in it replaced, before the host and among the parameters."""
    text = _CREDENTIALS.sub(lambda match: f"{match['scheme']}{match['user']}:{MASK}@", text)
    return _PARAMETER.sub(lambda match: f"{match['name']}{MASK}", text)


def masked(config: PlanarConfig) -> dict[str, Any]:
    """Every setting of *config* as JSON data, with secrets replaced by asterisks."""
    return cast("dict[str, Any]", _masked(config.model_dump(mode="json")))


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return mask_text(value)
    if isinstance(value, dict):
        return {key: _masked(inner) for key, inner in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [_masked(inner) for inner in cast("list[Any]", value)]
    return value
