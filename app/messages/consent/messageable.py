"""Messageable: who may be written to; asked when a message is queued and again when it is sent."""

from app.vocabulary import ChosenMarketing, Marketing, MessageKind, SuppressionReason


def objection(kind: str, email: str | None, marketing: str, suppressed: str | None) -> str | None:
    """Why a customer must not get a message of this kind; None when they may.

    The stricter of two counts: what the person has chosen, and what the address has said.
    """
    if email is None:
        return "no_address"
    if suppressed == SuppressionReason.DEAD:
        return Marketing.CLEANED
    if kind == MessageKind.MARKETING:
        return suppressed if marketing == ChosenMarketing.SUBSCRIBED else marketing
    return None
