"""Docs page: Swagger UI over the document, from files of this service, so that it works without the internet.

Anybody may ask for all of this, so each file is made and packed once.
"""

import asyncio
import base64
import gzip
import hashlib
import json
import re
from collections.abc import Callable
from functools import cache
from importlib import resources
from typing import Any, NamedTuple

from fastapi import FastAPI, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi_swagger import resources as swagger_ui

from app.forms import not_modified
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


class Packed(NamedTuple):
    """A file as it is sent, and its version."""

    plain: bytes
    gzip: bytes
    tag: str

    @classmethod
    def of(cls, content: bytes) -> "Packed":
        """The file with this content."""
        return cls(content, gzip.compress(content), f'W/"{hashlib.sha256(content).hexdigest()[:32]}"')

    def answer(self, request: Request, media_type: str) -> Response:
        """The file, or 304 for a client that has it already."""
        if unchanged := not_modified(request, self.tag):
            return unchanged
        headers = {"ETag": self.tag, "Cache-Control": "no-cache", "Vary": "Accept-Encoding"}
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return Response(self.plain, media_type=media_type, headers=headers)
        return Response(self.gzip, media_type=media_type, headers=headers | {"Content-Encoding": "gzip"})


class PackedDocument:
    """An OpenAPI document, made when it is first asked for: that takes half a second, and a thread of its own."""

    def __init__(self, make: Callable[[], dict[str, Any]]) -> None:
        """`make` gives the document."""
        self._make = make
        self._turn = asyncio.Lock()
        self._packed: Packed | None = None

    async def answer(self, request: Request) -> Response:
        """The document as JSON."""
        async with self._turn:
            if self._packed is None:
                self._packed = await asyncio.to_thread(self._made)
        return self._packed.answer(request, "application/json")

    def _made(self) -> Packed:
        return Packed.of(json.dumps(self._make(), ensure_ascii=False, separators=(",", ":")).encode())


def install_docs(app: FastAPI) -> None:
    """Serve the document at /openapi.json, and Swagger UI over it at /docs."""
    whole = PackedDocument(app.openapi)
    of_page = PackedDocument(lambda: without_optional_examples(app.openapi()))
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

    @app.get("/openapi.json", include_in_schema=False)
    async def read_document(request: Request) -> Response:
        return await whole.answer(request)

    @app.get("/swagger/openapi.json", include_in_schema=False)
    async def read_document_of_docs(request: Request) -> Response:
        return await of_page.answer(request)

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
