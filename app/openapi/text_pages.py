"""Text pages: the documentation as Markdown, and llms.txt, which tells programs that read it where everything is."""

import re
from collections.abc import Awaitable, Callable
from functools import cache
from pathlib import Path

from fastapi import FastAPI, Request, Response

from app.openapi.docs_page import Packed
from app.operation import ROOT

LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
MARKDOWN = "text/markdown; charset=utf-8"

INDEX = """\
# {title}

> {summary}

Send `Authorization: Bearer llb_…`. Errors are `application/problem+json`: compare `code`, show `detail`.

- [OpenAPI document](openapi.json): every operation, with an example of each answer
- [Try it](docs): the same document as a page

## Documentation

{pages}
"""


@cache
def text_pages() -> dict[str, Packed]:
    """The pages by their paths, which are those that they have in the project: so their links lead on."""
    files = [each for each in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))) if each.exists()]
    pages = {each.relative_to(ROOT).as_posix(): each.read_text("utf-8") for each in files}
    return {path: Packed.of(content.encode()) for path, content in pages.items()} | {"llms.txt": _index_of(pages)}


def _index_of(pages: dict[str, str]) -> Packed:
    title, summary = _beginning(pages.get("README.md", "# Loyalty Leaderboard\n\nA JSON API."))
    lines = [f"- [{name}]({path}): {about}" for path in pages for name, about in [_beginning(pages[path])]]
    return Packed.of(INDEX.format(title=title, summary=summary, pages="\n".join(lines)).encode())


def _beginning(page: str) -> tuple[str, str]:
    """The title of a page and its first paragraph, whose links would not lead on from another page."""
    title, paragraph, *_ = page.split("\n\n", 2)
    return title.removeprefix("# ").strip(), LINK.sub(r"\1", " ".join(paragraph.split()))


def install_text_pages(app: FastAPI) -> None:
    """Serve each page at its path."""
    for path in text_pages():
        app.add_api_route(f"/{path}", _reader(path), include_in_schema=False)


def _reader(path: str) -> Callable[[Request], Awaitable[Response]]:
    async def read_page(request: Request) -> Response:
        media_type = MARKDOWN if Path(path).suffix == ".md" else "text/plain; charset=utf-8"
        return text_pages()[path].answer(request, media_type)

    return read_page
