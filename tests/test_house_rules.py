"""House rules: what keeps the code readable and is beyond the linters' words.

Each test collects every offender, so that a failure is the list of what to change.
"""

import ast
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from statistics import median

from sentences import BUILT, GAP, details, sentence_calls, titles, translated, written_text

ROOT = Path(__file__).parents[1]
APP = ROOT / "app"
LONGEST_FUNCTION, LONGEST_TEST, LONGEST_FILE = 45, 50, 400

NAMES_THAT_SAY_NOTHING = {"util", "utils", "helper", "helpers", "common", "manager", "managers"}
STATEMENT_VERBS = {
    *("SELECT", "INSERT", "UPSERT", "UPDATE", "DELETE", "COUNT", "LOCK", "SET", "ADD", "SUM", "RAISE", "LOWER"),
    *("SHIFT", "CLAIM", "MARK", "CLOSE", "CANCEL", "EXTEND", "SETTLE", "PAUSE", "RESUME", "RELEASE", "NOTIFY"),
    *(
        "APPLY",
        "REASSIGN",
        "INHERIT",
        "ANONYMISE",
        "ERASE",
        "REVOKE",
        "ANALYZE",
        "LIMIT",
        "LIFT",
        "LEASE",
        "POSTPONE",
    ),
}
PROVIDERS = "every provider has its own, and none knows another"
JSON_FORMS = "the JSON that clients see has the same name as what it shows"
TWINS = {
    "router": "every feature has one",
    **dict.fromkeys(("feedback", "ENDPOINT", "SENDER_FIELDS", "_message", "_outcome", "_event_feedback"), PROVIDERS),
    **dict.fromkeys(("Source",), JSON_FORMS),
}
"""Names that stand at the top of more than one module, and why."""
COMMANDS = ("backup", "first_start", "keys", "messages", "orders", "running", "serve", "stores")
SPEAKS_TO_THE_TERMINAL = {"app/cli.py", *(f"app/commands/{name}.py" for name in COMMANDS)}
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
    """The modules of the features that spell SQL; database/ opens connections and tables.py is the schema."""
    return (path for path in python("app") if path.parent not in {APP, APP / "database"} and spells_sql(path))


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (function.end_lineno or 0) - function.lineno + 1


def test_functions_fit_on_a_screen():
    limits = {"app": LONGEST_FUNCTION, "benchmarks": LONGEST_TEST, "tests": LONGEST_TEST}
    long = [
        f"{shown(path)}:{function.lineno} {function.name}"
        for folder, limit in limits.items()
        for path in python(folder)
        for function in functions(path)
        if lines_of(function) > limit
    ]
    assert long == []


def test_most_functions_are_short():
    assert median(lines_of(function) for path in python("app") for function in functions(path)) <= 7


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


def statement_names() -> Iterator[str]:
    """Where each statement of app/ is, and its name."""
    for path in python("app"):
        for node in tree(path).body:
            is_text = isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
            if is_text and called(node.value) in {"text", "with_ctes"}:
                yield from (f"{shown(path)} {target.id}" for target in node.targets if isinstance(target, ast.Name))
            elif isinstance(node, ast.FunctionDef) and returns_a_statement(node):
                yield f"{shown(path)} {node.name}"


def returns_a_statement(function: ast.FunctionDef) -> bool:
    is_cached = any(called(each) == "cache" for each in function.decorator_list)
    return is_cached and isinstance(function.returns, ast.Name) and function.returns.id == "TextClause"


def called(node: ast.expr) -> str:
    function = node.func if isinstance(node, ast.Call) else node
    return function.id if isinstance(function, ast.Name) else ""


def test_statements_are_named_by_a_verb_and_an_object():
    wrong = [name for name in statement_names() if name.split()[-1].partition("_")[0].upper() not in STATEMENT_VERBS]
    assert wrong == []


MAY_CHANGE_NONE = {
    "MARK_SOURCES_DELETED": "an account may have no source",
    "SUM_TOTALS": "a board without standings has no sums",
    "REASSIGN_MERGED_CUSTOMERS": "only of those who were merged before",
    "REASSIGN_ADDRESSES_OF_CUSTOMER": "a customer may have none",
    "REASSIGN_ORDERS_OF_CUSTOMER": "a customer may have none",
    "LIFT_DEAD_ADDRESS": "another request may have revived it",
    "ERASE_SUPPRESSED_ADDRESSES": "only of addresses that are suppressed",
    "SET_LANGUAGE": "the customer may be gone; the answer reads them again",
    "MARK_SENDING": "the rows are locked by the statement before",
    "SET_RATE_USED": "the rows are locked by the statement before",
    "POSTPONE_MESSAGES": "the rows are locked by the statement before",
    "CLOSE_MESSAGES": "the rows are locked by the statement before",
    "CANCEL_UNPAID_MESSAGES": "whichever are queued",
    "EXTEND_LEASES": "a lease may be lost",
    "PAUSE_SENDER": "the sender may be gone",
    "RESUME_SENDER": "another worker may have done it",
    "APPLY_FEEDBACK": "what came first counts",
    "REASSIGN_GUEST_ORDERS": "whichever a merged customer has",
    "REASSIGN_CONSENT_CHANGES": "whichever a merged customer has",
    "REASSIGN_MESSAGES": "whichever a merged customer has",
    "ERASE_WEBHOOKS": "whichever name the person",
    "SET_STATE": "a connection changes its state only from certain others",
    "SET_PULL_STATE": "a connection changes its state only from certain others",
    "SET_PULL_URGENT": "a store that does not answer is not asked earlier",
    "SET_PULL_DUE_AT": "the connection may be gone",
    "SET_LEFT": "the connection may be gone",
    "SET_CONTENT": "the content may be erased",
    "CLAIM_DATA_REQUEST": "another worker may have been faster",
    "SETTLE_PULL": "another worker may have taken over",
    "SET_PULL_FAILURE": "another worker may have taken over",
}
"""Updates that need not change a row, and why; all others are run by `change_rows`, or return what they change."""


def test_an_update_is_checked_to_change_its_rows():
    updates = re.compile(r'^([A-Z_]+) = text\(\s*f?"+\s*UPDATE ([^"]*)"', re.MULTILINE)
    written = {path: path.read_text("utf-8") for path in python("app")}
    found = [found for source in written.values() for found in updates.finditer(source)]
    assert len(found) > 20
    run = "".join(written.values())
    unchecked = {
        match[1]
        for match in found
        if "RETURNING" not in match[2] and not re.search(rf"change_rows\(\s*conn,\s*(?:\w+\.)?{match[1]}\b", run)
    }
    passed_on = {"LOWER_BUCKETS", "LOWER_CELLS"}  # by name, to the one function that runs them
    assert unchecked - passed_on == {*MAY_CHANGE_NONE}


def test_the_demo_is_made_through_public_ways_alone():
    """import-linter follows the imports of its imports; see the contract in pyproject.toml."""
    modules = [*APP.glob("demo*.py")]
    ways_into_the_database = [
        f"{shown(path)}: {name}"
        for path in modules
        for name in imports(path)
        if name.partition(".")[0] in {"sqlalchemy", "asyncpg", "alembic"}
        or name.startswith(("app.database", "app.tables", "app.connecting"))
        or "statements" in name
    ]
    assert APP / "demo.py" in modules
    assert ways_into_the_database == []


def test_there_are_no_statements_in_sqlalchemy_s_own_language():
    builders = {"select", "insert", "update", "delete"}
    imported = [
        f"{shown(path)}: {alias.name}"
        for path in sql_modules()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ImportFrom) and node.module == "sqlalchemy"
        for alias in node.names
        if alias.name in builders
    ]
    assert imported == []


def test_statements_are_composed_by_functions_and_not_by_formatting():
    formatted = [
        f"{shown(path)}:{call.lineno}"
        for path in sql_modules()
        for call in calls(path)
        if isinstance(call.func, ast.Attribute) and call.func.attr == "format"
    ]
    assert formatted == []


def test_statements_know_no_http():
    modules = (path for path in python("app") if path.stem.endswith("statements"))
    assert [shown(path) for path in modules if imports_any(path, "fastapi", "starlette", "httpx")] == []


def top_level_names(path: Path) -> Iterator[str]:
    for node in tree(path).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id


def test_a_name_at_the_top_of_a_module_stands_in_one_module():
    where: dict[str, list[str]] = {}
    for path in python("app"):
        for name in top_level_names(path):
            where.setdefault(name, []).append(shown(path))
    twins = {name: paths for name, paths in where.items() if len(paths) > 1 and name not in TWINS}
    assert twins == {}
    assert [name for name in TWINS if len(where.get(name, ())) < 2] == [], "no longer twins: take them off the list"


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


def test_no_test_imports_another():
    tests = [path for path in python("tests") if path.stem.startswith("test_")]
    borrowing = [f"{shown(path)}: {name}" for path in tests for name in imports(path) if name.startswith("test_")]
    assert borrowing == []


TELLS_OPERATORS = {
    "app/settings.py": "pydantic-settings reports it on the terminal",
    "app/mail/choose_mailer.py": "MAIL_URL and MAIL_WEBHOOK_SECRET",
    "app/wire/strict_json.py": "the caller answers that the body is not JSON",
    "app/periods.py": "a bug",
}
"""Where a ValueError has a text that no client sees, and who sees it."""


def test_clients_are_told_sentences_of_the_catalogue():
    built = [where for where, call in sentence_calls() if written_text(call) is None]
    assert [where for where in built if where.partition(":")[0] not in BUILT] == [], "write the sentence out"
    texts = [
        f"{shown(path)}:{node.lineno}"
        for path in python("app")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and called(node.exc) == "ValueError"
        if shown(path) not in TELLS_OPERATORS
    ]
    assert texts == [], "raise InvalidValueError(Sentence(...)): a client would not see the text of a ValueError"


def test_a_sentence_is_given_all_of_its_values_or_none():
    wrong = [
        f"{where} {text}"
        for where, call in sentence_calls()
        for text in [written_text(call)]
        if text is not None and call.keywords and {each.arg for each in call.keywords} != {*GAP.findall(text)}
    ]
    assert wrong == []


def test_every_title_and_detail_is_translated_into_every_language():
    languages = sorted(path.stem for path in (APP / "translations").glob("*.po"))
    untranslated = [
        f"{language}.po: {text}"
        for language in languages
        for text in sorted(titles() | details())
        if text not in translated(language)
    ]
    assert untranslated == []


DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "docs/operations.md",
    "docs/architecture.md",
    "docs/semantics.md",
    "migrations/README.md",
)
NAMED_PATH = re.compile(r"`((?:app|tests|docs|migrations|openapi|benchmarks)/[\w/.-]*|pyproject\.toml|README\.md)`")
NAMED_TARGET = re.compile(r"`make (\w+)")
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


def test_documents_name_files_that_exist():
    missing = [
        f"{document}: {name}"
        for document in DOCUMENTS
        for text in [(ROOT / document).read_text("utf-8")]
        for base, pattern in ((ROOT, NAMED_PATH), ((ROOT / document).parent, LINK))
        for name in pattern.findall(text)
        if not (base / name).exists()
    ]
    assert missing == []


def test_documents_name_targets_of_make_that_exist():
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    named = {name for document in DOCUMENTS for name in NAMED_TARGET.findall((ROOT / document).read_text("utf-8"))}
    assert named - targets == set()


def test_every_folder_of_the_application_is_on_the_map():
    folders = {shown(path.parent) for path in python("app") if path.name == "__init__.py" and path.parent != APP}
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    top = {folder for folder in folders if folder.count("/") == 1}
    assert [folder for folder in sorted(top) if f"`{folder}/`" not in text] == []


SYNONYMS = re.compile(
    r"\b(?:whoever|whom a|of whom|so many|is no news|told apart|goes on|what came of|what became of|addressees?)\b"
    r"|(?<!style )(?<!spreadsheetml\.)\bsheets?\b|\bmeasures?\b",
    re.IGNORECASE,
)
"""What CONTRIBUTING.md has better words for: synonyms, and phrases that take two readings."""


def test_the_words_are_those_of_the_glossary():
    written = [*python("app"), ROOT / "README.md", ROOT / "openapi/openapi.json", *sorted((ROOT / "docs").glob("*.md"))]
    found = [
        f"{shown(path)}:{number} {match.group()}"
        for path in written
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        for match in SYNONYMS.finditer(line)
    ]
    assert found == []
