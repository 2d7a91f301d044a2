"""Messageable: who may be written to; asked when a message is queued and again when it is sent."""

from app.vocabulary import Marketing, MessageKind


def objection(kind: str, email: str | None, marketing: str) -> str | None:
    """Why a customer must not get a message of this kind; None when they may."""
    if email is None:
        return "no_address"
    if marketing == Marketing.CLEANED:
        return "cleaned"
    if kind == MessageKind.MARKETING and marketing != Marketing.SUBSCRIBED:
        return marketing
    return None
