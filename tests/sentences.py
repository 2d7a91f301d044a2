"""The sentences that clients are told, as they stand in the source, and what they look like when they are filled."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from inspect import cleandoc
from pathlib import Path

from babel.messages.pofile import read_po

APP = Path(__file__).parents[1] / "app"
GAP = re.compile(r"\{(\w+)\}")
BUILT = {"app/words.py", "app/problems.py"}
"""Where sentences are made of other texts: of one that was packed, of a docstring."""


def parsed() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(APP.rglob("*.py")):
        yield path.relative_to(APP.parent).as_posix(), ast.parse(path.read_text("utf-8"))


def sentence_calls() -> Iterator[tuple[str, ast.Call]]:
    """Every `Sentence("…")` of the application, and where it is."""
    for name, module in parsed():
        for node in ast.walk(module):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Sentence":
                yield f"{name}:{node.lineno}", node


def written_text(call: ast.Call) -> str | None:
    """The text that stands in the call; None where it is put together."""
    text = call.args[0] if len(call.args) == 1 else None
    return text.value if isinstance(text, ast.Constant) and isinstance(text.value, str) else None


def kinds_of_problems() -> Iterator[ast.ClassDef]:
    """Every class with a slug."""
    for _, module in parsed():
        for node in ast.walk(module):
            if isinstance(node, ast.ClassDef) and "slug" in _assigned(node) and node.name != "Problem":
                yield node


def _assigned(kind: ast.ClassDef) -> dict[str, object]:
    return {
        target.id: node.value.value
        for node in kind.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


@cache
def titles() -> frozenset[str]:
    return frozenset(str(_assigned(kind)["title"]) for kind in kinds_of_problems())


@cache
def details() -> frozenset[str]:
    """The English of everything that can be a detail."""
    written = {text for _, call in sentence_calls() if (text := written_text(call)) is not None}
    explained = {cleandoc(ast.get_docstring(kind) or "").replace("\n", " ") for kind in kinds_of_problems()}
    return frozenset(written | explained)


@cache
def translated(language: str) -> dict[str, str]:
    """The catalogue of a language; that of English says of each detail itself."""
    if language == "en":
        return {each: each for each in details()}
    with (APP / "translations" / f"{language}.po").open("rb") as file:
        return {str(message.id): str(message.string) for message in read_po(file, abort_invalid=True) if message.id}


@cache
def _shape(language: str) -> re.Pattern[str]:
    wordings = [GAP.sub("\0", translated(language).get(each, "\1")) for each in details()]
    shapes = [r"[^{}]+?".join(map(re.escape, wording.split("\0"))) for wording in wordings]
    fixed = [re.escape(translated(language).get(each, "\1")) for each in details()]
    return re.compile(rf"(?:[a-z_]+: )?(?:{'|'.join([*fixed, *shapes])})", re.DOTALL)


def is_ours(detail: str, language: str) -> bool:
    """Whether a detail is a sentence of the catalogue in this language, its gaps filled."""
    return bool(_shape(language).fullmatch(detail))
