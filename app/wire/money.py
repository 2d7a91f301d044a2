"""Money: decimal strings outside, minor units inside."""

import re
from decimal import Decimal
from typing import Annotated

import iso4217
from pydantic import Field, WithJsonSchema

from app.invalid_values import InvalidValueError
from app.words import Sentence

LARGEST_AMOUNT_MINOR = 10**15
"""No single amount is larger, in minor units."""

LARGEST_SUM_MINOR = 2**63 - 1
"""No sum of amounts is larger, in minor units."""

CURRENCIES: dict[str, int] = {
    currency.code: currency.exponent for currency in iso4217.Currency if currency.exponent is not None
}
"""ISO 4217 codes that money can be in, with the digits after the decimal point."""

AMOUNT = re.compile(r"([0-9]{1,16})(?:\.([0-9]+))?")


def minor_units(amount: str, digits: int) -> int:
    """A decimal string as minor units; InvalidValueError when it has a sign or too many digits, or is too large.

    Zeros beyond the currency's digits say nothing: `59.9700` EUR is 59.97.
    """
    match = AMOUNT.fullmatch(amount)
    if match is None:
        raise InvalidValueError(
            Sentence('Give a decimal string such as "12.50", without sign, exponent or separators.')
        )
    whole, fraction = match[1], match[2] or ""
    if len(fraction) > digits:
        fraction = fraction[:digits] + fraction[digits:].rstrip("0")
    if len(fraction) > digits:
        raise InvalidValueError(
            Sentence("Give at most {digits} digits after the point: the currency has no more.", digits=digits)
        )
    minor = int(whole + fraction.ljust(digits, "0"))
    if minor > LARGEST_AMOUNT_MINOR:
        raise InvalidValueError(Sentence("Give at most 10^15 minor units of the currency."))
    return minor


def decimal_string(minor: int, digits: int) -> str:
    """Minor units as a decimal string with exactly the currency's digits."""
    return (
        str(Decimal(minor).scaleb(-digits)) if digits == 0 else f"{minor // 10**digits}.{minor % 10**digits:0{digits}}"
    )


def unit_of(digits: int) -> Decimal:
    """One minor unit, with its scale: times an integer it gives the decimal that is shown."""
    return Decimal(1).scaleb(-digits)


Money = Annotated[str, WithJsonSchema({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?$", "examples": ["130.49"]})]

MoneyText = Annotated[str, Field(max_length=40), WithJsonSchema({"type": "string", "examples": ["12.50"]})]
"""An amount as clients send it; `minor_units` reads it."""
