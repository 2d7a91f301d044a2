"""Catalogue: the templates that a store can send, with the variables of each.

The text that is sent lies in `templates/<name>.<language>.liquid`; this is what the store's people read about it.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from app.words import Language, in_language

VariableKind = Literal["text", "texts", "link", "date"]
"""One line; several of them; an address on the web; a day, which is written out in the language of the recipient."""


class TemplateName(StrEnum):
    """The templates, each named after what a message is for."""

    EARLY_ACCESS = "early_access"
    EXCLUSIVE_DISCOUNT = "exclusive_discount"
    FREE_GIFT = "free_gift"
    BUNDLE = "bundle"
    CONTENT_SURVEY = "content_survey"
    PRODUCT_SURVEY = "product_survey"


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of a template, filled in by the store; a form would show its example.

    The percentages of a discount are written as the recipient's language spaces them.
    """

    name: str
    description: str
    example: str | tuple[str, ...]
    kind: VariableKind = "text"
    required: bool = True
    is_discount: bool = False


@dataclass(frozen=True, slots=True)
class Template:
    """A template as its users see it, in English."""

    label: str
    description: str
    variables: tuple[Variable, ...]

    @property
    def texts(self) -> list[str]:
        """What is to be translated."""
        return [self.label, self.description, *(variable.description for variable in self.variables)]


ACTION_LINK = Variable("link", "Web address that the button opens", "https://shop.example/loyal", kind="link")
UNTIL = Variable("until", "Last day that it is open", "2026-12-31", kind="date", required=False)

TEMPLATES = {
    TemplateName.EARLY_ACCESS: Template(
        "Early access",
        "Shows something new before everyone else sees it",
        (
            Variable("release", "What is new: a product, a collection, a sale", "Aurora 2"),
            ACTION_LINK,
            Variable("public_on", "Day on which it opens to everyone", "2026-12-01", kind="date", required=False),
        ),
    ),
    TemplateName.EXCLUSIVE_DISCOUNT: Template(
        "Exclusive discount",
        "Gives a discount on the next order",
        (
            Variable("discount", "How much the discount is, with its unit", "15%", is_discount=True),
            Variable("code", "Code to enter at the checkout", "LOYAL-15"),
            ACTION_LINK,
            UNTIL,
        ),
    ),
    TemplateName.FREE_GIFT: Template(
        "Free gift",
        "Gives a product away, as a thank-you or for a post on social media",
        (
            Variable("gift", "What the gift is", "Espresso Bar 250 g"),
            ACTION_LINK,
            Variable("hashtag", "Tag to post with, where the gift is for a post", "#auroracoffee", required=False),
            UNTIL,
        ),
    ),
    TemplateName.BUNDLE: Template(
        "Bundle of your choice",
        "Lets customers choose two or more products as a bundle at a discount",
        (
            Variable("products", "Products to choose from, at least two", ("Aurora", "Bora", "Cima"), kind="texts"),
            ACTION_LINK,
            Variable(
                "discount",
                "How much the discount is; 5% where nothing is said",
                "10%",
                required=False,
                is_discount=True,
            ),
            Variable("code", "Code to enter at the checkout", "BUNDLE-10", required=False),
            UNTIL,
        ),
    ),
    TemplateName.CONTENT_SURVEY: Template(
        "Survey about your messages",
        "Asks what customers would like to read from you",
        (ACTION_LINK, UNTIL),
    ),
    TemplateName.PRODUCT_SURVEY: Template(
        "Survey about your products",
        "Asks which products or services customers need",
        (Variable("category", "Category that the survey is about", "Espresso"), ACTION_LINK, UNTIL),
    ),
}


def described(language: Language) -> list[dict[str, object]]:
    """The catalogue as JSON: names and codes as they are, what people read in a language."""
    return [
        {
            "name": name,
            "label": in_language(template.label, language),
            "description": in_language(template.description, language),
            "variables": [
                {
                    "name": variable.name,
                    "description": in_language(variable.description, language),
                    "kind": variable.kind,
                    "required": variable.required,
                    "example": variable.example,
                }
                for variable in template.variables
            ],
        }
        for name, template in TEMPLATES.items()
    ]
