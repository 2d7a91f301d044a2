"""House rules: what keeps the code readable and is beyond the linters' words.

Each test collects every offender, so that a failure is the list of what to change.
"""

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
APP = ROOT / "app"
LONGEST_FUNCTION, LONGEST_FILE = 50, 300

NAMES_THAT_SAY_NOTHING = {"util", "utils", "helper", "helpers", "common", "manager", "managers"}
SPEAKS_TO_THE_TERMINAL = {"app/cli.py", "app/demo.py"}
AN_INDEX_OR_A_MACHINE = re.compile(
    r"""^\s*(?:--)?(?:extra-)?index-url\b"""  # an option of pip or uv, or a line of their settings
    r"""|\bpypi\.org/simple|files\.pythonhosted\.org"""
    r"""|(?<![\w.)}])/(?:work|root)/""",
    re.MULTILINE,
)
UNFINISHED = re.compile(r"\b(?:TO|FIX)(?:DO|ME)\b")


@cache
def repository() -> tuple[Path, ...]:
    """Every file that is committed or would be by `git add --all`."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607 - git is where PATH says
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    return tuple(path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file())


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def python(*folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((ROOT / folder).rglob("*.py"))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def calls(path: Path) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, ast.Call))


def imports(path: Path) -> set[str]:
    """Every dotted name that a module imports: `from a import b` imports both `a` and `a.b`."""
    names: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def imports_any(path: Path, *roots: str) -> bool:
    return any(name == root or name.startswith(f"{root}.") for name in imports(path) for root in roots)


def spells_sql(path: Path) -> bool:
    """Whether a module is made of SQL: it imports more of SQLAlchemy than the type of a connection it is given."""
    return any(
        (name == "sqlalchemy" or name.startswith("sqlalchemy."))
        and name not in {"sqlalchemy.ext", "sqlalchemy.ext.asyncio"}
        and not name.startswith("sqlalchemy.ext.asyncio.")
        for name in imports(path)
    )


def sql_modules() -> Iterator[Path]:
    """The SQL of the features; beside them database/ opens connections and tables.py holds the schema."""
    return (path for path in python("app") if path.parent not in {APP, APP / "database"} and spells_sql(path))


def test_functions_fit_on_a_screen():
    long = [
        f"{shown(path)}:{function.lineno} {function.name}"
        for path in python("app", "benchmarks", "tests")
        for function in functions(path)
        if (function.end_lineno or 0) - function.lineno >= LONGEST_FUNCTION
    ]
    assert long == []


def test_files_are_short():
    assert [shown(p) for p in python("app") if len(p.read_text("utf-8").splitlines()) > LONGEST_FILE] == []


def test_a_module_says_what_it_is_as_a_noun_and_a_sentence():
    def introduced(path: Path) -> bool:
        first_line = (ast.get_docstring(tree(path)) or "").partition("\n")[0]
        return bool(first_line) if path.stem.startswith("__") else ": " in first_line

    assert [shown(path) for path in python("app") if not introduced(path)] == []


def test_names_of_modules_say_something():
    empty = [
        shown(path)
        for path in repository()
        if path.suffix == ".py" and NAMES_THAT_SAY_NOTHING & {*path.relative_to(ROOT).with_suffix("").parts}
    ]
    assert empty == []


def test_sql_modules_return_statements_and_never_run_them():
    waiting = [
        f"{shown(path)}:{function.lineno} async {function.name}"
        for path in sql_modules()
        for function in functions(path)
        if isinstance(function, ast.AsyncFunctionDef)
    ]
    running = [
        f"{shown(path)}:{call.lineno} .{call.func.attr}()"
        for path in sql_modules()
        for call in calls(path)
        if isinstance(call.func, ast.Attribute) and call.func.attr == "execute"
    ]
    assert waiting + running == []


def test_sql_modules_know_no_http():
    assert [shown(path) for path in sql_modules() if imports_any(path, "fastapi", "starlette", "httpx")] == []


def test_sql_is_named_after_what_it_is_not_after_fetching_it():
    verbs = [
        f"{shown(path)}:{function.lineno} {function.name}"
        for path in sql_modules()
        for function in functions(path)
        if function.name.lstrip("_").startswith(("get_", "build_", "fetch_"))
    ]
    assert verbs == []


def test_only_the_command_line_prints():
    printing = [
        f"{shown(path)}:{call.lineno}"
        for path in python("app")
        for call in calls(path)
        if isinstance(call.func, ast.Name) and call.func.id == "print" and shown(path) not in SPEAKS_TO_THE_TERMINAL
    ]
    assert printing == []


def test_nothing_is_left_for_later():
    sources = (path for path in repository() if path.suffix == ".py")
    assert [shown(path) for path in sources if UNFINISHED.search(path.read_text("utf-8"))] == []


def test_no_file_names_a_package_index_or_a_path_of_one_machine():
    found = [
        f"{shown(path)}: {match.group().strip()}"
        for path in repository()
        for match in [AN_INDEX_OR_A_MACHINE.search(path.read_text("utf-8", errors="replace"))]
        if match
    ]
    assert found == []
