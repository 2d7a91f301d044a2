"""Messageable: who may be written to, asked when a message is queued and again when it is sent."""

from typing import Literal

Kind = Literal["marketing", "transactional"]


def objection(kind: str, email: str | None, marketing: str) -> str | None:
    """Why a customer is not to be sent a message of this kind; nothing when they may be."""
    if email is None:
        return "no_address"
    if marketing == "cleaned":
        return "cleaned"
    if kind == "marketing" and marketing != "subscribed":
        return marketing
    return None
