"""Unsubscribe page: the three small pages behind the link of a message.

The first asks and changes nothing, because scanners open every link in a mail; its button posts to the page's own
address. There is neither script nor style: the service's Content-Security-Policy, `default-src 'none'`, allows only
forms.
"""

from html import escape

from app.words import Language, in_language

PAGE_HEADING = "Unsubscribe"
QUESTION = "Would you like to get no more offers from {sender}?"
YES = "Yes, unsubscribe me"
PAGE_DONE = "You have unsubscribed"
FAREWELL = "{sender} will send you no more offers. Messages about your orders may still reach you."
UNKNOWN = "This link does not work"
ADVICE = "Part of it may be missing: copy the whole link from the message, or write to the store."
PAGE_TEXTS = [PAGE_HEADING, QUESTION, YES, PAGE_DONE, FAREWELL, UNKNOWN, ADVICE]


def question(sender: str, language: Language) -> str:
    """The page that asks; its button sends what mail programs send at one click (RFC 8058)."""
    button = f'<button name="List-Unsubscribe" value="One-Click">{_worded(YES, language)}</button>'
    return _page(PAGE_HEADING, _worded(QUESTION, language, sender), language, f'<form method="post">{button}</form>')


def farewell(sender: str, language: Language) -> str:
    """The page that confirms it, the first time and each further time."""
    return _page(PAGE_DONE, _worded(FAREWELL, language, sender), language)


def unknown_link(language: Language) -> str:
    """The page for a link that this service did not make."""
    return _page(UNKNOWN, _worded(ADVICE, language), language)


def _worded(english: str, language: Language, sender: str = "") -> str:
    return escape(in_language(english, language).format(sender=sender))


def _page(heading: str, paragraph: str, language: Language, form: str = "") -> str:
    title = _worded(heading, language)
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width"><meta name="robots" content="noindex"></head>'
        f"<body><main><h1>{title}</h1><p>{paragraph}</p>{form}</main></body></html>"
    )
