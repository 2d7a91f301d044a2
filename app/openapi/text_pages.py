"""Text pages: the documentation as Markdown, and llms.txt, which tells programs that read it where everything is."""

import re
from functools import cache

from fastapi import APIRouter, Request, Response

from app.openapi.docs_page import Packed
from app.operation import ROOT
from app.problems import NotFound

router = APIRouter(include_in_schema=False)

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


@router.get("/llms.txt")
@router.get("/README.md")
@router.get("/docs/{name}")
async def read_text_page(request: Request) -> Response:
    """Serve the page at this path."""
    path = request.url.path.removeprefix("/")
    page = text_pages().get(path)
    if page is None:
        raise NotFound
    return page.answer(request, MARKDOWN if path.endswith(".md") else "text/plain; charset=utf-8")
