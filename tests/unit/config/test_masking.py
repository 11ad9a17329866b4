from __future__ import annotations

import json

import pytest

from planar.config import load_config, masked
from planar.config.masking import MASK, mask_text

EVERY_SECRET = """
db_connections:
  app: postgresql://me:geheim@host/db
  parts: {driver: postgresql, db: d, password: geheim}
app: {db_connection: app}
ai_providers:
  openai: {api_key: geheim, base_url: "https://u:geheim@h/v1"}
  anthropic: {api_key: geheim, base_url: "https://u:geheim@h/v1"}
  gemini: {api_key: geheim}
storage: {backend: s3, bucket_name: abc, region: r, access_key: geheim, secret_key: geheim, endpoint_url: "http://u:geheim@h"}
sse_hub: http://u:geheim@h
otel: {collector_endpoint: "http://u:geheim@h:4318"}
"""


def test_nothing_secret_is_shown_and_everything_else_is() -> None:
    shown = json.dumps(masked(load_config(EVERY_SECRET)))
    assert "geheim" not in shown
    assert shown.count(MASK) == 12
    for plain in ("me:", "host/db", "abc", "h:4318"):
        assert plain in shown


def test_no_representation_shows_a_secret() -> None:
    config = load_config(EVERY_SECRET)
    assert "geheim" not in repr(config)
    assert "geheim" not in str(config)
    assert "geheim" not in f"{config.db_connections} {config.storage} {config.ai_providers} {config.otel}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("postgresql://u:p:w@h/d", f"postgresql://u:{MASK}@h/d"),
        ("http://token@h", f"http://token:{MASK}@h"),
        ("http://h/x?a=1&api_key=s&b=2", f"http://h/x?a=1&api_key={MASK}&b=2"),
        ("http://h/x?password=s", f"http://h/x?password={MASK}"),
        ("http://h/x?page=2", "http://h/x?page=2"),
        ("planar.db", "planar.db"),
        (r"https?://(localhost|127\.0\.0\.1)(:\d+)?", r"https?://(localhost|127\.0\.0\.1)(:\d+)?"),
    ],
)
def test_credentials_in_addresses_are_masked(text: str, expected: str) -> None:
    assert mask_text(text) == expected
