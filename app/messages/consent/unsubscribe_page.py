"""Unsubscribe page: the three small pages behind the link of a message.

The first asks and changes nothing, because scanners open every link in a mail; its button posts to the page's own
address. There is no script, and the one style sheet, which makes the page look like the mail, is allowed by its hash.
"""

import base64
import hashlib
from html import escape

from app.words import Language, in_language

PAGE_HEADING = "Unsubscribe"
QUESTION = "Stop receiving offers from {sender}?"
YES = "Yes, unsubscribe me"
PAGE_DONE = "You have unsubscribed"
FAREWELL = "{sender} will send you no more offers. Messages about your orders may still reach you."
UNKNOWN = "This link does not work"
ADVICE = "Part of it may be missing: copy the whole link from the message, or write to the store."
PAGE_TEXTS = [PAGE_HEADING, QUESTION, YES, PAGE_DONE, FAREWELL, UNKNOWN, ADVICE]

PAGE_CSS = (
    "body{color:#1a1a1a;font:16px/1.5 sans-serif;margin:0 auto;max-width:36em;padding:2em 1em}h1{font-size:1.5em}"
    "button{background:#1a1a1a;border:0;border-radius:4px;color:#fff;cursor:pointer;font:inherit;padding:10px 20px}"
)
PAGE_CSS_HASH = base64.b64encode(hashlib.sha256(PAGE_CSS.encode()).digest()).decode()
PAGE_POLICY = f"default-src 'none'; frame-ancestors 'none'; style-src 'sha256-{PAGE_CSS_HASH}'"
"""The Content-Security-Policy of these pages."""


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
        '<meta name="viewport" content="width=device-width"><meta name="robots" content="noindex"><style>'
        f"{PAGE_CSS}</style></head><body><main><h1>{title}</h1><p>{paragraph}</p>{form}</main></body></html>"
    )
