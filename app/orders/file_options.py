"""File options: how a file is written, as a client says it and as the reader of files takes it."""

from abc import ABC, abstractmethod
from typing import Annotated, Literal, NamedTuple, Protocol

from pydantic import Field

from app.orders.customer_form import CustomerRow
from app.orders.schemas import OrderRow
from app.orders.spelling import DateOrder, DecimalMark
from app.vocabulary import ImportOf, LayoutName
from app.wire.enums import OneOf
from app.wire.strict_json import Strict

Delimiter = Literal[",", ";", "tab", "|"]
ROW_FORMS: dict[str, type[Strict]] = {ImportOf.ORDERS: OrderRow, ImportOf.CUSTOMERS: CustomerRow}


class FileHome(Protocol):
    """Where a file comes from, which tells what its amounts and its times mean."""

    @property
    def currency(self) -> str:
        """The currency of amounts."""

    @property
    def digits(self) -> int:
        """Digits after the decimal point of that currency."""

    @property
    def time_zone(self) -> str:
        """The IANA time zone of times without an offset."""


class AsWritten(NamedTuple):
    """What is known of a file before its first rows are read; what is None is told by them."""

    form: type[Strict]
    """What its rows are."""
    delimiter: str | None
    dates: str | None
    charset: str | None
    columns: str | None
    decimal: str | None = None
    layout: str | None = None


class FileOptions(Strict, ABC):
    """How a file is written; what is not given is told by its first rows."""

    delimiter: Delimiter | None = Field(None, description="what stands between the cells of a CSV")
    dates: Annotated[str, OneOf(DateOrder)] | None = Field(
        None,
        description="the order of day, month and year; dates that begin with a year of four digits are always read."
        " A date without an offset is in the time zone of the source, and in UTC where there is none.",
    )
    charset: Annotated[str | None, Field(max_length=40)] = Field(
        None, description="the charset of the text; default: as its Content-Type or a byte order mark says, else UTF-8"
    )
    columns: Annotated[str | None, Field(max_length=10_000)] = Field(
        None,
        description="a JSON object with the fields of a row for the columns of the file;"
        " columns that it does not name are left out unless they have the name of a field",
        examples=['{"Order number": "order_id", "Paid": "total"}'],
    )

    @abstractmethod
    def as_written(self) -> AsWritten:
        """What they say of the file."""


class ImportOptions(FileOptions):
    """How a file of orders or customers is written."""

    of: Annotated[str, OneOf(ImportOf)] = Field(
        ImportOf.ORDERS.value, description="what the rows are: orders, or people with or without orders"
    )
    decimal: Annotated[str, OneOf(DecimalMark)] | None = Field(
        None, description="what stands before the digits of the smaller unit; the other one may group thousands"
    )
    layout: Annotated[str, OneOf(LayoutName)] | None = Field(
        None, description="the program that has written the file; default: as its columns tell"
    )
    dry_run: bool = Field(False, description="report what would be done, and store nothing")  # noqa: FBT003

    def as_written(self) -> AsWritten:
        """What they say of the file."""
        told = (self.delimiter, self.dates, self.charset, self.columns, self.decimal, self.layout)
        return AsWritten(ROW_FORMS[self.of], *told)
