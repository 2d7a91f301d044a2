"""Docs page: Swagger UI over the document, from files of this service, so that it works without the internet."""

import base64
import gzip
import hashlib
import re
from functools import cache
from importlib import resources
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from fastapi_swagger import resources as swagger_ui

from app.problems import NotFound

DOCS_POLICY = (
    "default-src 'none'; script-src 'self' 'sha256-{digest}'; style-src 'self' 'unsafe-inline';"
    " img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What Swagger UI needs and no more: its own files, the one script in its page, the styles that it sets itself."""

DOCS_ASSETS = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon-32x32.png": "image/png",
}


def install_docs(app: FastAPI) -> None:
    """Serve Swagger UI at /docs, from files of this service: it works without the internet."""
    page = get_swagger_ui_html(
        openapi_url="swagger/openapi.json",
        title="Loyalty Leaderboard",
        swagger_js_url="swagger/swagger-ui-bundle.js",
        swagger_css_url="swagger/swagger-ui.css",
        swagger_favicon_url="swagger/favicon-32x32.png",
        swagger_ui_parameters={"persistAuthorization": True, "filter": True},
    ).body
    (script,) = re.findall(rb"<script>(.*?)</script>", bytes(page), re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script).digest()).decode()

    @app.get("/docs", include_in_schema=False)
    async def read_docs() -> HTMLResponse:
        return HTMLResponse(page, headers={"Content-Security-Policy": DOCS_POLICY.format(digest=digest)})

    @app.get("/swagger/openapi.json", include_in_schema=False)
    async def read_document_of_docs() -> JSONResponse:
        return JSONResponse(without_optional_examples(app.openapi()))

    assets = packed_assets()

    @app.get("/swagger/{name}", include_in_schema=False)
    async def read_asset(name: str) -> Response:
        if name not in assets:
            raise NotFound
        headers = {"Content-Encoding": "gzip", "Cache-Control": "public, max-age=31536000, immutable"}
        return Response(assets[name], media_type=DOCS_ASSETS[name], headers=headers)

    @app.get("/", include_in_schema=False)
    async def read_root() -> RedirectResponse:
        return RedirectResponse("docs")


def without_optional_examples(document: dict[str, Any]) -> dict[str, Any]:
    """The document without examples of parameters that may be left out: Swagger UI would fill in all of them."""

    def shown(operation: dict[str, Any]) -> dict[str, Any]:
        parameters = [
            each if each["required"] else {name: value for name, value in each.items() if name != "example"}
            for each in operation["parameters"]
        ]
        return operation | {"parameters": parameters}

    paths = {
        path: {method: shown(operation) for method, operation in item.items()}
        for path, item in document["paths"].items()
    }
    return document | {"paths": paths}


@cache
def packed_assets() -> dict[str, bytes]:
    """The files of Swagger UI, packed once a process."""
    return {name: gzip.compress(resources.files(swagger_ui).joinpath(name).read_bytes()) for name in DOCS_ASSETS}
