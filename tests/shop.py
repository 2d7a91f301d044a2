"""Shop: what a store of a test is, tells and asks."""

import contextlib
import itertools
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import httpx

OPERATOR = "operator-key-of-the-tests"

METRICS = ("number_of_purchases", "average_order_amount", "total_spend")
STATUSES = (
    *("pending", "authorized", "partially_paid", "paid"),
    *("partially_refunded", "refunded", "cancelled", "voided"),
)


@dataclass
class Store:
    """A connected store, in the language of the shop."""

    api: httpx.AsyncClient
    key: str
    account: str
    audience: str
    source: str
    sql: asyncpg.Connection
    currency: str = "EUR"
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def auth(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    @property
    def source_id(self) -> int:
        return int(self.source.removeprefix("src_"))

    def board(self, **question: Any) -> dict[str, Any]:
        """The parameters of a board of this store."""
        return {"audience": self.audience, "source": self.source, **question}

    async def post(self, *orders: dict[str, Any]) -> httpx.Response:
        return await self.api.post(f"/sources/{self.source}/orders", json={"orders": orders}, headers=self.auth)

    async def send(self, *orders: dict[str, Any]) -> dict[str, Any]:
        """Orders that must all be taken."""
        answer = await self.post(*orders)
        assert answer.status_code == 200, answer.text
        result: dict[str, Any] = answer.json()
        assert result["rejected"] == []
        return result

    async def sold(self, *sales: tuple[str, str], on: str = "2026-03-01") -> None:
        """Paid orders of customers, `(id, total)`, on a day or at an instant."""
        at = on if "T" in on else f"{on}T12:00:00Z"
        await self.send(*(order(f"sale-{next(self.numbers)}", who, total, at) for who, total in sales))

    async def load(self, content: bytes, media_type: str = "text/csv", **headers: str) -> httpx.Response:
        """An import."""
        return await self.api.post(
            f"/sources/{self.source}/imports",
            content=content,
            headers=self.auth | {"Content-Type": media_type} | headers,
        )

    async def ask(self, **question: Any) -> dict[str, Any]:
        """A page of a board that must be there."""
        answer = await self.api.get("/leaderboard", params=self.board(**question), headers=self.auth)
        assert answer.status_code == 200, answer.text
        page: dict[str, Any] = answer.json()
        return page

    async def all_rows(self, **question: Any) -> list[dict[str, Any]]:
        """All pages put together."""
        page = await self.ask(**question)
        rows = page["items"]
        while page["next_cursor"]:
            page = await self.ask(**question, cursor=page["next_cursor"])
            rows += page["items"]
        return rows

    async def agree(self, customer: str, marketing: str = "subscribed") -> dict[str, Any]:
        """The customer, who now agrees to offers, or says otherwise; `cleaned`: their address takes no mail."""
        if marketing == "cleaned":
            await self.suppress((await self.customer(customer))["email"])
            return await self.customer(customer)
        answer = await self.api.patch(f"/customers/{customer}", json={"marketing": marketing}, headers=self.auth)
        assert answer.status_code == 200, answer.text
        changed: dict[str, Any] = answer.json()
        return changed

    async def customer(self, customer: str) -> dict[str, Any]:
        """The customer as the service shows them."""
        answer = await self.api.get(f"/customers/{customer}", headers=self.auth)
        assert answer.status_code == 200, answer.text
        shown: dict[str, Any] = answer.json()
        return shown

    async def suppress(self, address: str, reason: str = "dead", **since: str) -> None:
        """Say what the address has said: its owner has left or complained, or it takes no mail."""
        body = {"reason": reason, **since}
        answer = await self.api.put(f"/account/suppressions/{address}", json=body, headers=self.auth)
        assert answer.status_code == 200, answer.text

    async def erase(self, customer: str) -> None:
        answer = await self.api.delete(f"/customers/{customer}", headers=self.auth)
        assert (answer.status_code, answer.content) == (204, b"")

    # What no request can do: the rest looks at tables, or changes them, behind the service's back.

    async def rows(self, selected: str, more: str = "") -> list[asyncpg.Record]:
        """Rows of this account: `SELECT selected WHERE account_id = … more`."""
        return await self.sql.fetch(f"SELECT {selected} WHERE account_id = $1 {more}", int(self.account[4:]))

    async def count(self, table: str, more: str = "") -> int:
        """How many rows of a table belong to this account."""
        ((number,),) = await self.rows(f"count(*) FROM {table}", more)
        return int(number)

    async def without_boards(self, *kinds: str) -> None:
        """Delete the store's boards of these kinds, or all of them: answers then come from the orders."""
        await self.sql.execute(
            "DELETE FROM boards WHERE source_id = $1 AND (kind = ANY($2) OR cardinality($2::text[]) = 0)",
            self.source_id, kinds,
        )  # fmt: skip

    @contextlib.asynccontextmanager
    async def with_yesterdays_boards(self, *kinds: str) -> AsyncIterator[None]:
        """The boards of these kinds, or all of them, end a day early, so that they can answer nothing of today."""
        move = """UPDATE boards SET counted_until = counted_until + $3 * interval '1 day'
                  WHERE source_id = $1 AND (kind = ANY($2) OR cardinality($2::text[]) = 0)"""
        await self.sql.execute(move, self.source_id, kinds, -1)
        yield
        await self.sql.execute(move, self.source_id, kinds, 1)

    @contextlib.asynccontextmanager
    async def with_an_import_running(self) -> AsyncIterator[None]:
        """One customer's standings are out of date, as during an import: boards do not answer."""
        await self.sql.execute(
            "INSERT INTO outdated_standings (account_id, source_id, customer_id)"
            " SELECT account_id, id, 0 FROM sources WHERE id = $1",
            self.source_id,
        )
        yield
        await self.sql.execute("DELETE FROM outdated_standings WHERE source_id = $1", self.source_id)


def order(
    order_id: str, customer_id: str | None, total: str = "10.00", at: str = "2026-03-01T12:00:00Z", **fields: Any
) -> dict[str, Any]:
    """An order in the normal form."""
    return {
        "order_id": order_id,
        "customer_id": customer_id,
        "ordered_at": at,
        "total": total,
        "status": "paid",
        **fields,
    }
