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
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from fastapi_swagger import resources as swagger_ui

from app.forms import not_modified
from app.problems import NotFound
from app.services import provided

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


@dataclass(frozen=True, slots=True)
class Documents:
    """The documents of an application: the whole one, and the one that its page shows."""

    whole: PackedDocument
    of_page: PackedDocument

    @classmethod
    def of(cls, make: Callable[[], dict[str, Any]]) -> "Documents":
        """Both of them; `make` gives the whole one."""
        return cls(PackedDocument(make), PackedDocument(lambda: without_optional_examples(make())))


DocumentsOfService = Annotated[Documents, provided(Documents)]

# The endpoints are made once, not for each application: FastAPI remembers every endpoint that it has ever seen.
router = APIRouter(include_in_schema=False)


@cache
def docs_page() -> tuple[bytes, str]:
    """The page, and the policy that lets its one script run."""
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
    return bytes(page), DOCS_POLICY.format(digest=digest)


@router.get("/")
async def read_root() -> RedirectResponse:
    """Lead to the page."""
    return RedirectResponse("docs")


@router.get("/docs")
async def read_docs() -> HTMLResponse:
    """Serve Swagger UI."""
    page, policy = docs_page()
    return HTMLResponse(page, headers={"Content-Security-Policy": policy})


@router.get("/openapi.json")
async def read_document(documents: DocumentsOfService, request: Request) -> Response:
    """Serve the document."""
    return await documents.whole.answer(request)


@router.get("/swagger/openapi.json")
async def read_document_of_page(documents: DocumentsOfService, request: Request) -> Response:
    """Serve the document that the page shows."""
    return await documents.of_page.answer(request)


@router.get("/swagger/{name}")
async def read_asset(name: str) -> Response:
    """Serve a file of Swagger UI."""
    if name not in DOCS_ASSETS:
        raise NotFound
    headers = {"Content-Encoding": "gzip", "Cache-Control": "public, max-age=31536000, immutable"}
    return Response(packed_assets()[name], media_type=DOCS_ASSETS[name], headers=headers)


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
