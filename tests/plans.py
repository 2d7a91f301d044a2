"""Plans: what PostgreSQL did to answer a statement."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import asyncpg
from sqlalchemy.dialects import postgresql

LIMIT = 10
MOST_ROWS = 700


@dataclass(frozen=True)
class Plan:
    """What PostgreSQL did to answer."""

    nodes: list[dict[str, Any]]
    blocks: int

    def went_over_much(self, most_rows: int = MOST_ROWS) -> list[str]:
        """Steps that went through a whole table, sorted more than a page, or met more rows than there are buckets."""
        return [
            f"{node['Node Type']} {node.get('Relation Name', '')}"
            for node in self.nodes
            if node["Node Type"] == "Seq Scan"
            or node["Actual Rows"] * node["Actual Loops"] > (LIMIT + 1 if "Sort" in node["Node Type"] else most_rows)
        ]


async def plan_of(conn: asyncpg.Connection, statement: Any, bound: dict[str, Any]) -> Plan:
    """Run the statement as a prepared one, as the pool does."""
    compiled = statement.compile(dialect=postgresql.asyncpg.dialect())
    values = ", ".join(literal(bound[name]) for name in compiled.positiontup)
    await conn.execute(f"PREPARE asked AS {compiled}")
    explained = await conn.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE asked ({values})")
    await conn.execute("DEALLOCATE asked")
    root = json.loads(explained)[0]["Plan"]
    return Plan([*every_node(root)], root["Shared Hit Blocks"] + root["Shared Read Blocks"])


def literal(value: Any) -> str:
    if isinstance(value, list):
        return f"'{{{','.join(map(str, value))}}}'"
    return "NULL" if value is None else f"'{value}'"


def every_node(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from every_node(child)
