"""The page that shows the API: Swagger UI from our own files, so that a browser asks no other origin for anything."""

from __future__ import annotations

import html
import json
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

_STATIC = Path(__file__).with_name("static")
_ASSETS = "/docs-assets"

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{assets}/swagger-ui.css">
</head>
<body>
<div id="api"></div>
<script src="{assets}/swagger-ui-bundle.js"></script>
<script>
SwaggerUIBundle({{url: {document}, dom_id: "#api", deepLinking: true, validatorUrl: null}});
</script>
</body>
</html>
"""


def add_api_docs(app: FastAPI) -> None:
    """Serve the documentation of *app*'s API at ``/docs``."""
    app.mount(_ASSETS, StaticFiles(directory=_STATIC), name="docs-assets")

    async def docs(request: Request) -> HTMLResponse:
        root = str(request.scope.get("root_path", "")).rstrip("/")
        document = json.dumps(root + (app.openapi_url or "/openapi.json")).replace("<", "\\u003c")
        return HTMLResponse(_PAGE.format(title=html.escape(app.title), assets=html.escape(root + _ASSETS), document=document))

    # Not as a route of FastAPI, which would keep the function, and with it the app, for as long as the process lives.
    app.add_route("/docs", docs, include_in_schema=False)
