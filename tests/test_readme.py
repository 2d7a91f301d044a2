"""The README: its commands, in their order, against the service that they start.

`make run` stands for `python -m app serve`, and the port differs; everything else runs as it is pasted.
"""

import json
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, wait_until
from processes import Running, running

README = (ROOT / "README.md").read_text("utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
START = re.compile(r"^((?:\w+=\S+ )*)make run\b.*$", re.MULTILINE)
ADDRESS = "http://127.0.0.1:8000"

# Each answer of curl is a line of the file; a status that is no success ends the script.
CURL = """set -euo pipefail
curl() { command curl --fail-with-body "$@" | tee -a answers; echo >> answers; }
"""


@dataclass
class Chapter:
    """A way to start the service, and what is done with it."""

    settings: dict[str, str]
    commands: list[str] = field(default_factory=list)


def blocks(language: str) -> list[str]:
    return [text for name, text in BLOCK.findall(README) if name == language]


def chapters() -> Iterator[Chapter]:
    """The shell blocks of the README, parted by the lines that start the service."""
    chapter = None
    for block in blocks("sh"):
        if start := START.search(block):
            if chapter is not None:
                yield chapter
            chapter = Chapter(dict(each.split("=", 1) for each in start[1].split()))
        else:
            assert chapter is not None, "nothing has started the service that this asks"
            chapter.commands.append(block)
    if chapter is not None:
        yield chapter


def test_every_shell_block_of_the_readme_belongs_to_a_start():
    demo, own = chapters()

    assert demo.settings == {}
    assert own.settings.keys() == {"ADMIN_KEY", "DATA_DIR", "DEMO"}
    assert (len(demo.commands), len(own.commands)) == (2, 3)
    assert re.search(r"^run: .*\n\texec \$\(BIN\)/python -m app serve$", (ROOT / "Makefile").read_text(), re.MULTILINE)


def pasted(chapter: Chapter, folder: Path, service: Running) -> list[dict[str, Any]]:
    """The answers to a chapter's commands, which are pasted into one shell."""
    script = CURL + "".join(chapter.commands).replace(ADDRESS, service.url)
    done = subprocess.run(["/bin/bash", "-c", script], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr + service.said()
    lines = (folder / "answers").read_text("utf-8").splitlines()
    (folder / "answers").unlink()
    return [json.loads(line) for line in lines if line]


def assert_has_form_of(shown: Any, answer: Any, where: str = "") -> None:
    """Whether an answer has everything that the README shows, with the same kinds of values."""
    if isinstance(shown, dict):
        for name, value in shown.items():
            assert name in answer, f"{where}.{name}"
            assert_has_form_of(value, answer[name], f"{where}.{name}")
    elif isinstance(shown, list):
        for index, value in enumerate(shown):
            assert_has_form_of(value, answer[index], f"{where}[{index}]")
    else:
        assert type(shown) is type(answer), where


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_commands_of_the_readme_show_the_demo(tmp_path):
    demo, _ = chapters()
    shown = json.loads(blocks("json")[0])
    with running(tmp_path / "var", DEMO="1") as service:
        board, sources, second, vips = pasted(demo, tmp_path, service)

    assert_has_form_of(shown, board)
    for name in ("audience", "source", "rank_by", "time_frame", "time_zone", "currency"):
        assert board[name] == shown[name]
    assert (len(board["items"]), len(second["items"]), len(vips["items"])) == (3, 3, 3)
    assert [source["id"] for source in sources["items"]] == ["src_1", "src_2"]
    assert sources["items"][1]["audience"] == second["audience"] == "aud_2"
    assert sources["items"][0]["language"] != sources["items"][1]["language"]
    assert second["currency"] != board["currency"]


def test_the_commands_of_the_readme_take_in_a_store_and_write_to_its_customer(tmp_path):
    _, own = chapters()
    (tmp_path / "orders.csv").write_text(blocks("csv")[0], "utf-8")
    data_dir = tmp_path / own.settings.pop("DATA_DIR")
    data_dir.parent.mkdir()
    with running(data_dir, **own.settings) as service:
        account, audience, source, done, found, sender, customer, message = pasted(own, tmp_path, service)
        wait_until(lambda: [*(data_dir / "mail").rglob("new/*")], 30)

    assert (account["plan"], account["api_key"][:4]) == ("paid", "llb_")
    assert (audience["id"], source["id"]) == ("aud_1", "src_1")
    assert (done["received"], done["created"], done["rejected_count"]) == (1, 1, 0)
    assert [each["id"] for each in found["items"]] == ["cus_1"]
    assert sender["sender"]["name"] == "My shop"
    assert customer["marketing"] == "subscribed"
    assert (message["customer"], message["status"]) == ("cus_1", "queued")
