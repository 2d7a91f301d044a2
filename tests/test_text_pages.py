"""Text pages: what programs read of the documentation, beside /docs."""

import json
import re

import pytest
from answers import problem
from conftest import ROOT

pytestmark = pytest.mark.usefixtures("among_others")


async def test_the_index_leads_to_every_page_of_the_documentation_and_to_the_document(api):
    index = await api.get("/llms.txt")
    links = re.findall(r"\]\(([^)]+)\)", index.text)

    assert index.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert index.text.startswith("# Loyalty Leaderboard\n\n> A self-hosted JSON API")
    assert {"openapi.json", "docs", "README.md", "docs/semantics.md", "docs/operations.md"} <= {*links}
    for link in links:
        page = await api.get(f"/{link}")
        assert page.status_code == 200, link
        if link.endswith(".md"):
            assert page.headers["Content-Type"] == "text/markdown; charset=utf-8"
            assert page.text == (ROOT / link).read_text("utf-8")


async def test_no_other_file_is_served(api):
    for path in ("/docs/none.md", "/docs/..%2fpyproject.toml", "/pyproject.toml", "/docs/../Makefile"):
        problem(await api.get(path), 404, "not_found")


@pytest.mark.parametrize("path", ["/openapi.json", "/swagger/openapi.json", "/README.md"])
async def test_a_file_is_packed_once_and_sent_once_to_who_keeps_it(api, path):
    packed = await api.get(path, headers={"Accept-Encoding": "gzip"})
    plain = await api.get(path, headers={"Accept-Encoding": "identity"})
    again = await api.get(path, headers={"If-None-Match": packed.headers["ETag"]})

    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert packed.content == plain.content
    assert (again.status_code, again.content) == (304, b"")


async def test_the_document_is_made_once(api, monkeypatch):
    first = await api.get("/openapi.json")
    monkeypatch.setattr(json, "dumps", None)
    assert (await api.get("/openapi.json")).content == first.content
