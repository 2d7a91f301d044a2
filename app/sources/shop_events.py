"""Shop events: the words in which connectors tell what a shop has said."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RefundMade:
    """A refund of an order that counts at once, whether the order is known or not."""

    order_id: str
    refund_id: str
    amount: str

    def mentions(self) -> set[str]:
        """The ids and addresses in it."""
        return {self.order_id}


@dataclass(frozen=True, slots=True)
class OrderSeen:
    """A version of an order, as a row of the normal form.

    `refunds` are its refunds by their ids, summed in the row too; they are left out where a shop takes refunds back.
    """

    row: Mapping[str, object]
    refunds: Mapping[str, str] = field(default_factory=dict)
    discount_codes: tuple[str, ...] = ()
    restores: bool = False
    """The shop says that the order exists, though it may have been deleted before."""

    @property
    def order_id(self) -> str:
        """The order's id."""
        return str(self.row["order_id"])

    def mentions(self) -> set[str]:
        """The ids and addresses in it."""
        written = (self.row.get(name) for name in ("order_id", "customer_id", "email"))
        return {str(each).strip().lower() for each in written if each}

    def known_refunds(self) -> list[RefundMade]:
        """Its refunds, each by itself."""
        return [RefundMade(self.order_id, refund_id, amount) for refund_id, amount in self.refunds.items()]


@dataclass(frozen=True, slots=True)
class OrderDeleted:
    """The order is gone; `at` is when, as the shop writes it, or None."""

    order_id: str
    at: str | None = None

    def mentions(self) -> set[str]:
        """The ids and addresses in it."""
        return {self.order_id}


@dataclass(frozen=True, slots=True)
class OrderToRead:
    """The order has changed in a way that is not told here: it must be read from the shop."""

    order_id: str

    def mentions(self) -> set[str]:
        """The ids and addresses in it."""
        return {self.order_id}


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The shop has ended the connection."""

    reason: str

    def mentions(self) -> set[str]:
        """The ids and addresses in it."""
        return set()


@dataclass(frozen=True, slots=True)
class StoreErased:
    """The shop wants everything to be deleted that came from it."""

    def mentions(self) -> set[str]:
        """The ids and addresses in it."""
        return set()


@dataclass(frozen=True, slots=True)
class CustomerSeen:
    """What the shop says of a person, as a row of the form of customers."""

    row: Mapping[str, object]

    def mentions(self) -> set[str]:
        """The ids and addresses in it."""
        return {str(self.row[name]).strip().lower() for name in ("customer_id", "email") if self.row.get(name)}


@dataclass(frozen=True, slots=True)
class ConsentSaid:
    """A person's explicit choice about offers; `at` is when, as the shop writes it."""

    customer_id: str | None
    email: str | None
    marketing: str
    at: str | None

    def mentions(self) -> set[str]:
        """The ids and addresses in it."""
        return mentions_of(self.customer_id, self.email)


@dataclass(frozen=True, slots=True)
class CustomersMerged:
    """The shop has put two customers together."""

    kept_id: str
    deleted_id: str

    def mentions(self) -> set[str]:
        """The ids and addresses in it."""
        return {self.kept_id, self.deleted_id}


@dataclass(frozen=True, slots=True)
class PersonErased:
    """A person wants to be forgotten."""

    customer_id: str | None
    email: str | None

    def mentions(self) -> set[str]:
        """The ids and addresses in it."""
        return mentions_of(self.customer_id, self.email)


@dataclass(frozen=True, slots=True)
class PersonRequested:
    """A person wants to know what is stored about them."""

    customer_id: str | None
    email: str | None

    def mentions(self) -> set[str]:
        """The ids and addresses in it."""
        return mentions_of(self.customer_id, self.email)


ShopEvent = (
    OrderSeen
    | OrderDeleted
    | OrderToRead
    | RefundMade
    | Disconnected
    | StoreErased
    | CustomerSeen
    | ConsentSaid
    | CustomersMerged
    | PersonErased
    | PersonRequested
)


def mentions_of(*named: str | None) -> set[str]:
    """Ids and addresses, as a mention is looked for."""
    return {each.strip().lower() for each in named if each}
