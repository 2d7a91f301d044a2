"""Statement lint: what a statement must keep to, to run unchanged on a cluster and on a read replica.

A statement is parsed once. `findings` names every rule it breaks; it knows the tables of
app/tables/, follows aliases, sub-selects and common table expressions, and asks that every
table of an account is held to one: by `account_id = $n`, or by an equation with a table that is.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from pglast import ast, enums, fingerprint, parse_sql
from sqlalchemy import ClauseElement
from sqlalchemy.dialects import postgresql

from app.accounts.answer_once import SELECT_ACCOUNTS_WITH_EXPIRED_KEYS
from app.accounts.domain_statements import SELECT_DOMAIN_OWNER, SELECT_FIRST_ACCOUNT
from app.accounts.rate_limits import SELECT_ACCOUNTS_WITH_OLD_WINDOWS
from app.accounts.statements import SELECT_ACCOUNTS, SELECT_HAS_ACCOUNTS
from app.boards.source import SELECT_ACCOUNT_OF_SOURCE, SELECT_ALL_SOURCES, SELECT_DUE_SOURCES
from app.boards.standings import SELECT_ABANDONED_SOURCES
from app.deletion.statements import SELECT_DELETED_ACCOUNTS, SELECT_DELETED_SOURCES
from app.messages.queue_statements import SELECT_HELD_MESSAGES, SELECT_NEXT_ACCOUNT, SELECT_UNPAID_ACCOUNTS
from app.monitoring import COUNT_WAITING
from app.orders.statements import SELECT_IMPORTS_TO_FORGET
from app.sources.connection_statements import SELECT_AGED_SECRETS
from app.sources.data_requests import SELECT_DATA_REQUESTS
from app.sources.inbox_statements import (
    SELECT_ACCOUNTS_WITH_OLD_DELIVERIES,
    SELECT_AGED_WEBHOOKS,
    SELECT_RECEIVER,
    SELECT_WAITING_SOURCES,
)
from app.sources.pull_statements import SELECT_DUE_PULLS
from app.sources.statements import SELECT_ACCOUNT_OF_AUDIENCE
from app.tables import metadata

OVER_ALL_ACCOUNTS: dict[str, ClauseElement] = {
    "the worker asks whose day has changed": SELECT_DUE_SOURCES,
    "the worker asks what an import has left behind": SELECT_ABANDONED_SOURCES,
    "the worker asks whose messages are due": SELECT_NEXT_ACCOUNT,
    "the worker asks who has messages queued and pays no more": SELECT_UNPAID_ACCOUNTS,
    "the worker asks who has idempotency keys to be forgotten": SELECT_ACCOUNTS_WITH_EXPIRED_KEYS,
    "the worker asks which imports have refused rows to be forgotten": SELECT_IMPORTS_TO_FORGET,
    "the worker asks which accounts are deleted": SELECT_DELETED_ACCOUNTS,
    "the worker asks which sources are deleted": SELECT_DELETED_SOURCES,
    "an operator's command lists what is held": SELECT_HELD_MESSAGES,
    "the metrics tell what waits for the worker": COUNT_WAITING,
    "an operator's command finds the account of a source": SELECT_ACCOUNT_OF_SOURCE,
    "an operator's command finds the account of an audience": SELECT_ACCOUNT_OF_AUDIENCE,
    "an operator's command goes over every source": SELECT_ALL_SOURCES,
    "the operator lists the accounts": SELECT_ACCOUNTS,
    "a domain belongs to one account of all": SELECT_DOMAIN_OWNER,
    "all accounts take turns at a domain, by the lock of one of them": SELECT_FIRST_ACCOUNT,
    "a webhook names its source without the account": SELECT_RECEIVER,
    "the worker asks whose webhooks wait": SELECT_WAITING_SOURCES,
    "the worker asks which stores are to be asked": SELECT_DUE_PULLS,
    "the worker asks whose tokens' requests are to be forgotten": SELECT_ACCOUNTS_WITH_OLD_WINDOWS,
    "the worker asks who has webhooks to be forgotten": SELECT_ACCOUNTS_WITH_OLD_DELIVERIES,
    "the worker asks whose secrets an older key has encrypted": SELECT_AGED_SECRETS,
    "the worker asks of which data requests the operator is to be told": SELECT_DATA_REQUESTS,
    "serving with a demo asks whether there is any account": SELECT_HAS_ACCOUNTS,
    "the worker asks which webhooks an older key has encrypted": SELECT_AGED_WEBHOOKS,
}
"""Why a statement may see more than one account; it must only read, and lock nothing."""

IMMUTABLE = frozenset({"count", "sum", "min", "max", "unnest", "width_bucket", "array_agg", "floor", "round", "abs"})
"""Functions that UPDATE and DELETE may call."""
FORBIDDEN = ("set_config", "pg_advisory", "pg_try_advisory")
LOSSLESS_TYPES = frozenset({"bool", "int2", "int4", "int8", "numeric"})
"""A column cast to one of these does not depend on settings; to text, a date or an enum it does."""
WRITING = (ast.InsertStmt, ast.UpdateStmt, ast.DeleteStmt, ast.MergeStmt)
SETTINGS_AND_TRANSACTIONS = (ast.VariableSetStmt, ast.VariableShowStmt, ast.TransactionStmt)
CHANGES_SEQUENCES = frozenset({"nextval", "setval"})


def text_of(statement: ClauseElement) -> str:
    """The statement as it is sent."""
    return str(statement.compile(dialect=postgresql.asyncpg.dialect()))  # type: ignore[no-untyped-call]


@cache
def _allowed() -> frozenset[str]:
    return frozenset(fingerprint(text_of(statement)) for statement in OVER_ALL_ACCOUNTS.values())


def tenant_column(table: str) -> str:
    """The column that says whose a row is."""
    return "id" if table == "accounts" else "account_id"


def findings(statement: str, way: str = "write") -> list[str]:
    """The rules that the statement breaks, one sentence each; `way` is the pool it ran on."""
    parsed = parse_sql(statement)
    if len(parsed) != 1:
        return ["it is more than one statement"]
    root = parsed[0].stmt
    if isinstance(root, SETTINGS_AND_TRANSACTIONS):
        return []
    found = [sentence for rule in RULES for sentence in rule(root)]
    if way == "read":
        found += _reads_only(root)
    for_all = fingerprint(statement) in _allowed()
    if for_all and (writes(root) or locks(root)):
        found.append("a statement over all accounts must only read")
    return found if for_all else [*found, *_accounts_missing(root)]


# ---------------------------------------------------------------- walking


def nodes(node: Any) -> Iterator[Any]:
    """The node and everything below it, in no order."""
    waiting = [node]
    while waiting:
        each = waiting.pop()
        if isinstance(each, tuple):
            waiting += each
        elif isinstance(each, ast.Node):
            yield each
            waiting += [getattr(each, name) for name in each]


def of_type(node: Any, *kinds: type[ast.Node]) -> list[Any]:
    return [each for each in nodes(node) if isinstance(each, kinds)]


def function_name(call: Any) -> str:
    return str(call.funcname[-1].sval)


def type_name(cast: Any) -> str:
    return str(cast.typeName.names[-1].sval) + ("[]" if cast.typeName.arrayBounds else "")


def names_of(column: Any) -> list[str]:
    return ["*" if isinstance(part, ast.A_Star) else str(part.sval) for part in column.fields]


def writes(root: Any) -> bool:
    return bool(of_type(root, *WRITING))


def locks(root: Any) -> bool:
    return bool(of_type(root, ast.LockingClause))


def tables_in(node: Any) -> list[str]:
    return [each.relname for each in of_type(node, ast.RangeVar) if each.relname in metadata.tables]


# ---------------------------------------------------------------- rules about the words of a statement


def _no_merge(root: Any) -> Iterator[str]:
    if of_type(root, ast.MergeStmt):
        yield "MERGE does not run on a cluster: INSERT … ON CONFLICT"


def _no_grouping_sets(root: Any) -> Iterator[str]:
    if of_type(root, ast.GroupingSet):
        yield "GROUPING SETS, ROLLUP and CUBE do not run on a cluster"


def _no_settings_or_advisory_locks(root: Any) -> Iterator[str]:
    for call in of_type(root, ast.FuncCall):
        if function_name(call).startswith(FORBIDDEN):
            yield f"{function_name(call)}() holds on one node only"
        if function_name(call) == "pg_notify" and of_type(root, ast.RangeVar):
            yield "a notification is a statement of its own"


def _no_limit_beside_a_source(root: Any) -> Iterator[str]:
    for select in of_type(root, ast.SelectStmt):
        lateral = [each for each in of_type(select.fromClause, ast.RangeSubselect) if each.lateral]
        if any(each.subquery.limitCount for each in lateral) and "sources" in tables_in(select.fromClause):
            yield "LATERAL … LIMIT beside sources does not run on a cluster"


def _conflicts_and_returning_call_nothing(root: Any) -> Iterator[str]:
    for insert in of_type(root, ast.InsertStmt):
        update = insert.onConflictClause
        if update and of_type((update.targetList, update.whereClause), ast.FuncCall, ast.SQLValueFunction):
            yield "DO UPDATE calls a function: bind its result"
        if update and (_casts_that_depend_on_settings(update.targetList) or _intervals(update.targetList)):
            yield "DO UPDATE computes what depends on settings: bind its result"
        if update and of_type((update.targetList, update.whereClause), ast.SubLink):
            yield "DO UPDATE has a sub-query"
        if insert.selectStmt and of_type(getattr(insert.selectStmt, "valuesLists", None), ast.SubLink):
            yield "VALUES has a sub-query: INSERT … SELECT"
    for written in of_type(root, *WRITING):
        if of_type(_returned(written), ast.FuncCall, ast.SQLValueFunction):
            yield "RETURNING calls a function: compute it afterwards"


def _returned(written: Any) -> Any:
    """What a writing statement returns; its form depends on the release of the parser."""
    clause = getattr(written, "returningClause", None)
    return clause.exprs if clause is not None else getattr(written, "returningList", None)


def _changes_depend_on_nothing_stable(root: Any) -> Iterator[str]:
    for changed in of_type(root, ast.UpdateStmt, ast.DeleteStmt):
        for call in of_type(changed, ast.FuncCall):
            if function_name(call) not in IMMUTABLE:
                yield f"UPDATE or DELETE calls {function_name(call)}(): bind its result"
        if of_type(changed, ast.SQLValueFunction):
            yield "UPDATE or DELETE asks for the time or the user: bind it"
        for cast in _casts_that_depend_on_settings(changed):
            yield f"UPDATE or DELETE casts a column to {type_name(cast)}, which depends on settings"
        if _intervals(changed):
            yield "UPDATE or DELETE adds an interval to a column: bind the result"
        for link in of_type(changed, ast.SubLink):
            if isinstance(link.testexpr, ast.RowExpr):
                yield "(a, b) IN (SELECT …) in UPDATE or DELETE is rewritten wrongly: EXISTS or a join"


def _casts_that_depend_on_settings(node: Any) -> list[Any]:
    return [
        cast
        for cast in of_type(node, ast.TypeCast)
        if of_type(cast.arg, ast.ColumnRef) and type_name(cast) not in LOSSLESS_TYPES
    ]


def _intervals(node: Any) -> bool:
    return any(
        type_name(cast) == "interval"
        for expression in of_type(node, ast.A_Expr)
        if of_type(expression, ast.ColumnRef)
        for cast in of_type(expression, ast.TypeCast)
    )


def _the_account_of_a_row_never_changes(root: Any) -> Iterator[str]:
    for update in of_type(root, ast.UpdateStmt):
        if tenant_column(update.relation.relname) in {target.name for target in update.targetList}:
            yield "the account of a row never changes"
    for insert in of_type(root, ast.InsertStmt):
        targets = insert.onConflictClause and insert.onConflictClause.targetList
        if tenant_column(insert.relation.relname) in {target.name for target in targets or ()}:
            yield "the account of a row never changes"


def _what_is_written_in_a_cte_is_read_nowhere_else(root: Any) -> Iterator[str]:
    for cte in of_type(root, ast.CommonTableExpr):
        if isinstance(cte.ctequery, WRITING):
            table = cte.ctequery.relation.relname
            if [each.relname for each in of_type(root, ast.RangeVar)].count(table) > 1:
                yield f"{table} is written in a CTE and named elsewhere: two statements"


def _inserts_say_the_account_first(root: Any) -> Iterator[str]:
    for insert in of_type(root, ast.InsertStmt):
        table, columns = insert.relation.relname, [target.name for target in insert.cols or ()]
        if table not in metadata.tables or table == "accounts":
            continue
        if "account_id" not in columns:
            yield f"an INSERT into {table} names no account"
            continue
        select = insert.selectStmt
        if select is None or select.valuesLists or not of_type(select, ast.RangeVar):
            continue
        if insert.withClause or select.withClause:
            yield "INSERT … SELECT from tables begins with WITH"
        first = select.targetList[0].val if select.targetList else None
        if columns[0] != "account_id" or not _is_column(first, "account_id"):
            yield "INSERT … SELECT from tables does not begin with the column account_id"


def _is_column(node: Any, name: str) -> bool:
    return isinstance(node, ast.ColumnRef) and names_of(node)[-1] == name


def _no_or_of_arrays(root: Any) -> Iterator[str]:
    for either in of_type(root, ast.BoolExpr):
        if either.boolop == enums.BoolExprType.OR_EXPR:
            arrays = [each for each in either.args if getattr(each, "kind", None) == enums.A_Expr_Kind.AEXPR_OP_ANY]
            if len(arrays) > 1:
                yield "an OR of two arrays compares every row with every element: UNION two joins on unnest"


RULES: tuple[Callable[[Any], Iterable[str]], ...] = (
    _no_merge,
    _no_grouping_sets,
    _no_settings_or_advisory_locks,
    _no_limit_beside_a_source,
    _conflicts_and_returning_call_nothing,
    _changes_depend_on_nothing_stable,
    _the_account_of_a_row_never_changes,
    _what_is_written_in_a_cte_is_read_nowhere_else,
    _inserts_say_the_account_first,
    _no_or_of_arrays,
)


def _reads_only(root: Any) -> Iterator[str]:
    if not isinstance(root, ast.SelectStmt) or writes(root) or root.intoClause:
        yield "it writes on the pool for reads"
    if locks(root):
        yield "it locks rows on the pool for reads"
    if any(function_name(call) in CHANGES_SEQUENCES for call in of_type(root, ast.FuncCall)):
        yield "it moves a sequence on the pool for reads"


# ---------------------------------------------------------------- every table is held to one account

Places = frozenset[int]
"""Occurrences of tables, all of which a value is the account of."""


@dataclass
class Level:
    """One SELECT, or the statement around it: what its FROM names, and the CTEs it can see."""

    outer: "Level | None" = None
    columns: dict[str, dict[str, Places]] = field(default_factory=dict)
    ctes: dict[str, dict[str, Places]] = field(default_factory=dict)

    def cte(self, name: str) -> dict[str, Places] | None:
        if name in self.ctes:
            return self.ctes[name]
        return self.outer.cte(name) if self.outer else None

    def account(self, names: list[str]) -> Places:
        """The occurrences that a column is the account of; none when it is anything else."""
        *qualifier, column = names
        for alias, known in self.columns.items():
            if column in known and (not qualifier or qualifier[-1] == alias):
                return known[column]
        return self.outer.account(names) if self.outer else frozenset()


@dataclass
class Equation:
    """Two accounts that are the same, or one that is a parameter (`right` empty); what it may hold."""

    left: Places
    right: Places
    holds: Places


@dataclass
class Scope:
    """What has been found in a statement."""

    tables: list[str] = field(default_factory=list)
    equations: list[Equation] = field(default_factory=list)
    held: set[int] = field(default_factory=set)

    def occurrence(self, table: str) -> dict[str, Places]:
        self.tables.append(table)
        return {tenant_column(table): frozenset({len(self.tables) - 1})}

    def settle(self) -> None:
        """Follow the equations until nothing new is held."""
        before = -1
        while before != len(self.held):
            before = len(self.held)
            for equation in self.equations:
                for one, other in ((equation.left, equation.right), (equation.right, equation.left)):
                    if one <= self.held:
                        self.held |= other & equation.holds


def _accounts_missing(root: Any) -> list[str]:
    scope = Scope()
    _statement(root, Level(), scope)
    scope.settle()
    loose = sorted({table for place, table in enumerate(scope.tables) if place not in scope.held})
    return [f"{table} is not held to one account" for table in loose]


def _statement(node: Any, outer: Level, scope: Scope) -> dict[str, Places]:
    """Look into a statement; what its columns are the account of."""
    level = Level(outer)
    if getattr(node, "withClause", None):
        for cte in node.withClause.ctes:
            columns = _statement(cte.ctequery, level, scope)
            level.ctes[cte.ctename] = columns
    if isinstance(node, ast.SelectStmt):
        return _select(node, level, scope)
    target: Places = frozenset()
    if isinstance(node, WRITING):
        target = _relation(node.relation, level, scope)
    if isinstance(node, ast.InsertStmt):
        scope.held |= target  # that it names the account is a rule of its own
        if node.selectStmt is not None:
            _statement(node.selectStmt, level, scope)
    places = target
    for item in (*(getattr(node, "fromClause", None) or ()), *(getattr(node, "usingClause", None) or ())):
        places |= _from(item, level, scope)
    _where(getattr(node, "whereClause", None), level, scope, places)
    _below((getattr(node, "targetList", None), getattr(node, "onConflictClause", None)), level, scope)
    return _outputs(_returned(node), level)


def _select(node: Any, level: Level, scope: Scope) -> dict[str, Places]:
    if node.larg is not None:
        left, right = _statement(node.larg, level, scope), _statement(node.rarg, level, scope)
        return {name: left[name] | right[name] for name in left.keys() & right.keys()}
    places: Places = frozenset()
    for item in node.fromClause or ():
        places |= _from(item, level, scope)
    _where(node.whereClause, level, scope, places)
    rest = (node.targetList, node.groupClause, node.havingClause, node.sortClause, node.valuesLists, node.limitOffset)
    _below(rest, level, scope)
    return {} if node.limitCount else _outputs(node.targetList, level)


def _outputs(targets: Any, level: Level) -> dict[str, Places]:
    columns: dict[str, Places] = {}
    for target in targets or ():
        if isinstance(target.val, ast.ColumnRef):
            names = names_of(target.val)
            if names[-1] == "*":
                for alias, known in level.columns.items():
                    if len(names) == 1 or names[0] == alias:
                        columns |= known
            elif places := level.account(names):
                columns[target.name or names[-1]] = places
    return columns


def _relation(node: Any, level: Level, scope: Scope) -> Places:
    alias = node.alias.aliasname if node.alias else node.relname
    known = level.cte(node.relname)
    if known is None:
        known = scope.occurrence(node.relname) if node.relname in metadata.tables else {}
    level.columns[alias] = known
    return frozenset().union(*known.values())


def _from(node: Any, level: Level, scope: Scope) -> Places:
    """Take an item of FROM in; the occurrences that a condition on it may hold."""
    if isinstance(node, ast.RangeVar):
        return _relation(node, level, scope)
    if isinstance(node, ast.RangeSubselect):
        around = level if node.lateral else level.outer or Level()
        known = _statement(node.subquery, Level(around, ctes=dict(level.ctes)), scope)
        level.columns[node.alias.aliasname if node.alias else f"unnamed {id(node)}"] = known
        return frozenset().union(*known.values())
    if isinstance(node, ast.JoinExpr):
        left, right = _from(node.larg, level, scope), _from(node.rarg, level, scope)
        holds = {
            enums.JoinType.JOIN_INNER: left | right,
            enums.JoinType.JOIN_LEFT: right,
            enums.JoinType.JOIN_RIGHT: left,
        }.get(node.jointype, frozenset())
        _where(node.quals, level, scope, holds)
        return left | right
    _below(node, level, scope)
    return frozenset()


def _where(condition: Any, level: Level, scope: Scope, holds: Places) -> None:
    """Note the equations of a condition, which hold these occurrences, and look into its sub-queries."""
    if condition is None:
        return
    for term in _conjuncts(condition):
        if isinstance(term, ast.A_Expr) and term.kind == enums.A_Expr_Kind.AEXPR_OP and term.name[-1].sval == "=":
            _equation(term.lexpr, term.rexpr, level, scope, holds)
        elif isinstance(term, ast.A_Expr) and term.kind == enums.A_Expr_Kind.AEXPR_IN:
            _listed(term, level, scope, holds)
    _below(condition, level, scope)


def _conjuncts(condition: Any) -> Iterator[Any]:
    if isinstance(condition, ast.BoolExpr) and condition.boolop == enums.BoolExprType.AND_EXPR:
        for each in condition.args:
            yield from _conjuncts(each)
    else:
        yield condition


def _equation(left: Any, right: Any, level: Level, scope: Scope, holds: Places) -> None:
    sides = [level.account(names_of(side)) if isinstance(side, ast.ColumnRef) else None for side in (left, right)]
    for places, other in ((sides[0], right), (sides[1], left)):
        if places and _is_parameter(other):
            scope.equations.append(Equation(places, frozenset(), holds))
    if sides[0] and sides[1]:
        scope.equations.append(Equation(sides[0], sides[1], holds))


def _listed(term: Any, level: Level, scope: Scope, holds: Places) -> None:
    """`(account_id, id) IN (($1, $2), …)`: keys that were read before."""
    if isinstance(term.lexpr, ast.RowExpr) and all(isinstance(row, ast.RowExpr) for row in term.rexpr):
        for place, column in enumerate(term.lexpr.args):
            if all(_is_parameter(row.args[place]) for row in term.rexpr):
                _equation(column, term.rexpr[0].args[place], level, scope, holds)


def _is_parameter(node: Any) -> bool:
    return isinstance(node, ast.ParamRef) or (isinstance(node, ast.TypeCast) and _is_parameter(node.arg))


def _below(node: Any, level: Level, scope: Scope) -> None:
    """Look into the sub-queries of an expression; they see this level and cannot hold it."""
    if isinstance(node, tuple):
        for each in node:
            _below(each, level, scope)
    elif isinstance(node, ast.SubLink):
        _below(node.testexpr, level, scope)
        _statement(node.subselect, level, scope)
    elif isinstance(node, ast.Node):
        for name in node:
            _below(getattr(node, name), level, scope)
