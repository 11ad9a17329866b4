"""How does a webhook know that a message is ours? By a signature over the time and the body, with a secret that both know."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from planar.clock import utc_now
from planar.human.config import WebhookConfig
from planar.lazy import httpx2

SIGNATURE_HEADER: Final = "X-Planar-Signature"
DELIVERY_HEADER: Final = "X-Planar-Delivery"


class WebhookRefused(Exception):
    """The other side did not take the message."""


def signature(secret: str, timestamp: int, body: bytes) -> str:
    """``t=<seconds since 1970>,v1=<HMAC-SHA256 of "t.body" in hexadecimal digits>``."""
    digest = hmac.new(secret.encode(), b"%d." % timestamp + body, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


async def send(config: WebhookConfig, key: str, body: bytes) -> None:
    """Send *body*, once; it was taken if the answer is 2xx. Redirects are not followed: the signature is for one address.

    Raises:
        WebhookRefused: the answer is another one.
        httpx2.HTTPError: there is none.
    """
    timestamp = int(utc_now().timestamp())
    headers = {
        "Content-Type": "application/json",
        DELIVERY_HEADER: key,
        SIGNATURE_HEADER: signature(config.secret.get_secret_value(), timestamp, body),
    }
    async with httpx2().AsyncClient(timeout=config.timeout_seconds, follow_redirects=False) as client:
        answer = await client.post(str(config.url), content=body, headers=headers)
    if not answer.is_success:
        raise WebhookRefused(f"The webhook answered {answer.status_code}.")
