"""Golden SQL: every statement of the service as PostgreSQL gets it, formatted, so that SQL is reviewed as SQL.

A statement is a module-level `TextClause`, one in a dictionary, or what a cached function returns. Of a function each
variant is written: its parameters are enums, booleans and options, and their types say which there are.
`make sql` runs this file.
"""

import ast
import importlib
import inspect
import itertools
import pkgutil
import re
import sys
from collections.abc import Iterator
from enum import StrEnum
from functools import cache
from pathlib import Path
from types import ModuleType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from pglast import ast as parsed
from pglast import prettify
from pglast.printers import NODE_PRINTERS, node_printer
from pglast.printers.dml import Side, expr_precedence
from pglast.stream import IndentedStream
from sqlalchemy import TextClause

import app
from app.database.driver import driver_form

FOLDER = Path(__file__).parent / "sql"
LONGEST_LINE = 100
LONGEST_CHAIN = 4
"""Concatenations of more operands are written one operand a line."""


def statements() -> Iterator[tuple[str, TextClause]]:
    """Every statement with the path of its file: `feature/name.variant`."""
    for info in pkgutil.walk_packages(app.__path__, "app."):
        if info.name == "app.__main__":
            continue
        module = importlib.import_module(info.name)
        folder = info.name.split(".")[1]
        for name in names_of(module):
            value = getattr(module, name)
            if isinstance(value, TextClause):
                yield f"{folder}/{name.lower()}", value
            elif isinstance(value, dict) and all(isinstance(made, TextClause) for made in value.values()):
                yield from ((f"{folder}/{name.lower()}.{variant}", made) for variant, made in value.items())
            elif makes_statements(value):
                yield from ((f"{folder}/{name}{variant}", made) for variant, made in variants(value))


def names_of(module: ModuleType) -> list[str]:
    """The names that a module defines itself, in their order."""
    if module.__file__ is None:
        return []
    names: list[str] = []
    for node in ast.parse(Path(module.__file__).read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            names.append(node.name)
        elif isinstance(node, ast.Assign):
            names += [target.id for target in node.targets if isinstance(target, ast.Name)]
    return names


def makes_statements(value: Any) -> bool:
    """Whether this is a cached function that returns a statement."""
    return hasattr(value, "cache_info") and get_type_hints(value).get("return") is TextClause


def variants(function: Any) -> Iterator[tuple[str, TextClause]]:
    """Each variant of a statement, with what its file is called after the function's name."""
    hints = get_type_hints(function)
    names = list(inspect.signature(function).parameters)
    for values in itertools.product(*(choices(function, name, hints[name]) for name in names)):
        given = dict(zip(names, values, strict=True))
        suffix = "".join(f".{label}" for name, value in given.items() if (label := label_of(name, value)))
        yield suffix, function(**given)


def choices(function: Any, name: str, hint: Any) -> list[Any]:
    """The values that a parameter can have."""
    if hint is bool:
        return [False, True]
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return list(hint)
    if get_origin(hint) in {Union, UnionType}:
        return [
            None,
            *(value for each in get_args(hint) if each is not type(None) for value in choices(function, name, each)),
        ]
    raise TypeError(f"{function.__module__}.{function.__name__}: {name} must be an enum, a bool or an option of one")


def label_of(name: str, value: Any) -> str:
    """How a file name tells a value: an enum by its value, true by the parameter's name, false and None not at all."""
    return name if value is True else value.replace(" ", "_") if isinstance(value, StrEnum) else ""


PRINTED = NODE_PRINTERS[parsed.A_Expr]


@node_printer(parsed.A_Expr, override=True)
def print_expression(node: parsed.A_Expr, output: IndentedStream) -> None:
    """As the library does, but a long concatenation one operand a line."""
    operands = list(concatenated(node))
    if len(operands) <= LONGEST_CHAIN or not isinstance(output, IndentedStream):
        PRINTED(node, output)
        return
    precedence = expr_precedence(node, output)
    with output.push_indent():
        output.print_operand(operands[0], precedence, Side.LEFT)
        for operand in operands[1:]:
            output.newline()
            output.write("|| ")
            output.print_operand(operand, precedence, Side.RIGHT)


def concatenated(node: Any) -> Iterator[Any]:
    """The operands of a chain of `||`."""
    if isinstance(node, parsed.A_Expr) and node.name and node.name[-1].sval == "||":
        yield from concatenated(node.lexpr)
        yield node.rexpr
    else:
        yield node


def formatted(statement: TextClause, *, comments: bool = True) -> str:
    """The statement on many lines, its parameters by their names."""
    sql, names = driver_form(statement)
    pretty = prettify(sql, preserve_comments=comments, comma_at_eoln=True, compact_lists_margin=LONGEST_LINE)
    pretty = re.sub(r"(?m)^(\s*)WITH\s+(-- .*)\n\s*", r"\1\2\n\1WITH ", pretty)  # the comment before the keyword
    named = re.sub(r"\$(\d+)", lambda found: f":{names[int(found[1]) - 1]}", pretty)
    return "\n".join(line.rstrip() for line in named.splitlines()) + "\n"


@cache
def golden() -> dict[str, str]:
    """The text of every file, by its path in `tests/sql`."""
    files: dict[str, str] = {}
    for name, statement in statements():
        path = f"{name}.sql"
        if path in files:
            raise ValueError(f"two statements would be written to {path}")
        files[path] = formatted(statement)
    return files


def write() -> None:
    """Make `tests/sql` what the statements are."""
    files = golden()
    for old in FOLDER.rglob("*.sql"):
        if old.relative_to(FOLDER).as_posix() not in files:
            old.unlink()
    for path, content in files.items():
        target = FOLDER / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content, "utf-8")
    sys.stdout.write(f"{len(files)} statements in tests/sql\n")


if __name__ == "__main__":
    write()
